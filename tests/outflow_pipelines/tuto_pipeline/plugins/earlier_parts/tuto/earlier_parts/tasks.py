# Parts 2 to 4 of the tutorial, with shorter pauses.
import time

from outflow.core.logging import logger
from outflow.core.tasks import as_task
from outflow.core.types import Parameter


@as_task
def GenData() -> {"raw_data": int}:
    raw_data = 42
    return raw_data


@as_task
def Transform(raw_data):
    logger.info(f"Transforming data {raw_data=}")
    # Simulate a big computation
    time.sleep(0.01)
    result = raw_data * 2

    # return the result for the next task
    return {"transformed_data": result}


@as_task
def Compute(transformed_data: int, multiplier: Parameter(int)) -> {"computation_result": int}:
    logger.info(f"Running computation for {transformed_data=}")
    time.sleep(0.01)
    result = transformed_data * multiplier
    return result


@as_task
def PrintData(computation_result):
    logger.info(f"Result of the computation: {computation_result}")


@as_task
def GenMany() -> {"raw_data_array": list}:
    raw_data_array = [42, 43, 44, 45]
    return {"raw_data_array": raw_data_array}


@as_task
def WrongType() -> {"raw_data": int}:
    raw_data = "42"  # the wrong type
    return {"raw_data": raw_data}

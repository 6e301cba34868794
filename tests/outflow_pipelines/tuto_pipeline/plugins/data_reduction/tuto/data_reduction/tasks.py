# Parts 5 and 7 of the tutorial, with shorter pauses.
import time

from outflow.core.logging import logger
from outflow.core.pipeline import context
from outflow.core.tasks import as_task
from sqlalchemy.orm.exc import NoResultFound

from .models.computation_result import ComputationResult


@as_task
def GenOneData() -> {"some_data": int}:
    return 40


@as_task
def GenMoreData() -> {"some_data_array": list}:
    return {"some_data_array": [40, 50, 60, 70]}


def computed(some_data):
    # get the session of the default database
    session = context.session

    multiplier = context.args.multiplier

    # Check if the result of the computation is already in the database
    try:
        computation_result_obj = session.query(ComputationResult) \
            .filter_by(input_value=some_data, multiplier=multiplier).one()

        logger.info("Result found in database")

        # get the result from the model object (ie from the row in the table)
        computation_result = computation_result_obj.result

    except NoResultFound:
        # Result not in the database: compute the value like before
        logger.info("Result not found in database, computing result and inserting")

        # simulate a big computation
        time.sleep(0.01)
        computation_result = some_data * multiplier

        # create an object ComputationResult
        computation_result_obj = ComputationResult(
            input_value=some_data,
            multiplier=multiplier,
            result=computation_result,
        )

        # and insert it in the database
        session.add(computation_result_obj)
        session.commit()

    # return the result for the next task
    return {"computation_result": computation_result}


@as_task
def ComputeOne(some_data: int) -> {"computation_result": int}:
    return computed(some_data)


@as_task
def ComputeMore(some_data: int) -> {"computation_result": int}:
    return computed(some_data)


@as_task
def PrintOneData(computation_result):
    logger.info(f"Result of the computation: {computation_result}")


@as_task
def PrintMoreData(map_computation_result):
    logger.info(f"Result of the mapped computation: {map_computation_result}")

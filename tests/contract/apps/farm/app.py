"""The energy of a farm, as a service of Octue's would compute it: another service knows the power of a turbine."""

from octue.resources import Datafile


def run(analysis):
    answers = analysis.children["curve"].ask_multiple(
        *({"input_values": {"speed": speed}} for speed in analysis.input_values["speeds"])
    )
    powers = [answer["output_values"]["power"] for answer in answers]
    with analysis.input_manifest.get_dataset("losses").files.one(extension="txt").open() as stream:
        left = float(stream.read())
    hours = analysis.configuration_values["hours"]
    analysis.output_values["energy"] = sum(power * hours * left for power in powers)
    dataset = analysis.output_manifest.get_dataset("powers")
    with Datafile(f"{dataset.path}/powers.csv", mode="w", tags={"unit": "kW"}, labels={"hourly"}) as (_, stream):
        stream.writelines(f"{power}\n" for power in powers)

class App:
    def __init__(self, analysis):
        self.analysis = analysis

    def run(self):
        speed = self.analysis.input_values["speed"]
        self.analysis.output_values["power"] = 0.0 if speed > 25 else min(2000.0, 2.0 * speed**3)

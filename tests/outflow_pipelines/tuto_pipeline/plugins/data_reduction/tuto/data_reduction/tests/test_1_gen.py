from outflow.core.test import TaskTestCase


class TestDataReductionGenTasks(TaskTestCase):

    def test_gen_one(self):
        from tuto.data_reduction.tasks import GenOneData

        # --- initialize the task ---
        self.task = GenOneData()
        self.config = {}

        # --- run the task ---
        result = self.run_task()

        # --- make assertions ---
        # test the result
        assert isinstance(result, dict)
        assert 'some_data' in result
        assert result == {'some_data': 40}

    def test_gen_more(self):
        from tuto.data_reduction.tasks import GenMoreData

        self.task = GenMoreData()
        self.config = {}
        assert self.run_task() == {'some_data_array': [40, 50, 60, 70]}

from ohlora.errors import JobFailed, OhloraError, nearest


def test_the_nearest_words_come_first_and_far_ones_not_at_all():
    assert nearest("sheduler", ["optimizer", "scheduler"]) == " (did you mean scheduler?)"
    assert nearest("zzz", ["optimizer", "scheduler"]) == ""
    assert nearest(7, ["optimizer"]) == ""


def test_a_failed_job_is_a_users_matter_and_keeps_its_exit_code():
    error = JobFailed("job 1 ended with an error", 3)
    assert isinstance(error, OhloraError)
    assert error.exit_code == 3

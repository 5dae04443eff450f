import pytest

from nnguide.language import scale


@pytest.mark.smoke
def test_years_of_computing_at_a_billion_a_second():
    years = {each.name: scale.compute_years(each.flop) for each in scale.TRAININGS}
    assert years["GPT-3"] == pytest.approx(9.95e6, rel=1e-3)  # not 100 million
    assert years["PaLM"] == pytest.approx(80e6, rel=5e-3)
    assert years["GPT-4"] == pytest.approx(665e6, rel=1e-3)
    assert years["Llama 3.1 405B"] == pytest.approx(1204e6, rel=1e-3)


def test_six_n_d_is_what_gpt3_reports():
    assert scale.training_flop(174.6e9, 300e9) == pytest.approx(3.14e23, rel=2e-3)


@pytest.mark.parametrize(
    ("tokens", "words_a_minute", "years"),
    [
        (300e9, 200, 2139),
        (300e9, 238, 1797),
        (300e9, 250, 1711),
        (499e9, 238, 2990),
        (499e9, 250, 2846),
        (499e9, 274, 2597),
    ],
)
def test_years_of_reading(tokens, words_a_minute, years):
    assert scale.reading_years(tokens, words_a_minute) == pytest.approx(years, abs=0.6)


def test_words_a_minute_undo_the_years():
    assert scale.words_a_minute_for(2600, 499e9) == pytest.approx(273.7, abs=0.1)
    years = scale.reading_years(1e9, scale.words_a_minute_for(5.0, 1e9))
    assert years == pytest.approx(5)

"""The bars of the guide: what may come next, at several steps of one text.

Source: 3Blue1Brown, "Large Language Models explained briefly" and "Transformers, the
tech behind LLMs".
"""

from experiments.part5 import sample
from experiments.part5.evaluate import last_score
from experiments.part5.feedback import Chatbot
from experiments.part5.setting import Setting, Speaker, Trained
from nnguide.array_types import Params
from nnguide.config import InputError
from nnguide.language import turns
from nnguide.language.next_word import Step, step_by_step
from nnguide.language.sampling import SamplingConfig
from nnguide.plots import next_word as pictures
from nnguide.plots import style
from nnguide.results import Claim

PROMPT = "Behold, a wild pi creature, foraging in its native "  # the video's
STEPS, CANDIDATES = 6, 8


def opening(speaker: Speaker, otherwise: list[int]) -> list[int]:
    """The video's prompt where the tokenizer can write it; at most a whole context."""
    try:
        tokens = speaker.tokenizer.encode(PROMPT).tolist()
    except InputError:
        tokens = otherwise
    return tokens[-speaker.model.config.context :]


def study(
    setting: Setting, speaker: Speaker, trained: Trained
) -> tuple[list[Claim], list[str]]:
    """Draws the candidates of a few steps at T = 1; claims nothing of its own."""
    prompt = opening(speaker, setting.text.validation[:64].tolist())
    asked = sample.Config(SamplingConfig(1.0), new_tokens=STEPS)
    written = sample.generate(speaker, [prompt], asked, setting.seed, keep_logits=True)
    steps = step_by_step(written, 0, speaker.tokenizer.token_text, CANDIDATES)
    picture = style.save(
        pictures.next_words(
            setting.theme,
            speaker.tokenizer.decode(prompt),
            [_bars(step) for step in steps],
            last_score(trained).accuracy,
            setting.unit,
        ),
        setting.workdir,
        "next_words",
        prompt=prompt,
        tokens=[[each.token for each in step.candidates] for step in steps],
        probabilities=[
            [each.probability for each in step.candidates] for step in steps
        ],
        chosen=[step.chosen.token for step in steps],
    )
    return [], [picture]


def _bars(step: Step) -> tuple[list[pictures.Candidate], pictures.Candidate]:
    """What the picture shows of a step."""
    candidates = [(each.text, each.probability) for each in step.candidates]
    return candidates, (step.chosen.text, step.chosen.probability)


def before_and_after(bot: Chatbot, base: Params, tuned: Params) -> str:
    """Draws how both models begin to answer the same question, at T = 1."""
    question = bot.questions.heldout[0].asked
    prompt = turns.prompt_tokens(bot.template, bot.tokenizer, question)
    asked = sample.Config(SamplingConfig(1.0), new_tokens=STEPS)
    rows, numbers = {}, {}
    for name, params in (("pre-trained", base), ("fine-tuned", tuned)):
        speaker = Speaker(bot.model, params, bot.tokenizer)
        written = sample.generate(speaker, [prompt], asked, bot.seed, keep_logits=True)
        steps = step_by_step(written, 0, bot.tokenizer.token_text, CANDIDATES)
        rows[name] = [_bars(step) for step in steps]
        numbers[name] = [
            [each.probability for each in step.candidates] for step in steps
        ]
    drawing = pictures.stages(bot.theme, bot.tokenizer.decode(prompt), rows)
    return style.save(drawing, bot.folder, "next_words", prompt=prompt, **numbers)

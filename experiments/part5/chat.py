"""A chat is a document to be completed; here the document is shown.

The model has only read texts. Put a conversation before it and it goes on with that,
rarely ending the AI's turn where the user's begins: it has seen no chats. A fine-tuned
one answers in a line and stops.

Source: 3Blue1Brown, "Large Language Models explained briefly".
"""

import itertools
from collections.abc import Iterator, Sequence

import jax
import numpy as np

from experiments.border import typed_lines
from experiments.part5 import sample
from experiments.part5.setting import Setting, Speaker
from nnguide.config import InputError
from nnguide.language import chat
from nnguide.language.chat import ChatTemplate, Turn
from nnguide.language.generation import make_generator
from nnguide.language.turns import stop_tokens
from nnguide.plots import chat_document as pictures
from nnguide.plots import style
from nnguide.results import Claim

PIECE = 32  # tokens written between two looks for the user's turn
QUESTIONS = (
    "What is a list?",
    "How do I open a file?",
    "Who are you?",
    "Can you help me?",
    "What is the meaning of life?",
    "Tell me a story.",
    "How are you today?",
    "Where is the king?",
)
TIMES, LONGEST = 4, 200


def talk(
    speaker: Speaker,
    template: ChatTemplate,
    config: sample.Config,
    seed: int,
    prompts: Sequence[str] = (),
    tuned: bool = False,
) -> None:
    """Chats in the terminal, or with the lines of a pipe, until "exit" or the end.

    Args:
      speaker: who answers.
      template: the document that a conversation is.
      config: how answers are drawn, and how long they are at most.
      seed: of all that is drawn.
      prompts: what is asked instead of lines of the terminal.
      tuned: the model was fine-tuned: it ends its answer by a line feed, and knows
        conversations of one question alone.

    Raises:
      InputError: the tokenizer lacks characters of the template.
    """
    tokenizer, context = speaker.tokenizer, speaker.model.config.context
    template.check(tokenizer)
    generator = make_generator(
        speaker.model.config,
        sample.execution_for(speaker),
        speaker.model.known_tokens,
        config.sampling,
        min(PIECE, config.new_tokens),
    )
    following = chat.speaker(
        generator, speaker.params, context, tokenizer.vocabulary_size
    )
    stop = stop_tokens(tokenizer) if tuned else ()
    said: list[Turn] = []
    key = jax.random.key(seed)
    print(f"The model sees the last {context} tokens of a document. End with exit.")
    for asked in prompts or _typed():
        try:
            chat.check_typed(asked, tokenizer)
        except InputError as error:
            print(f"not said: {error}")
            continue
        document = template.document([] if tuned else said, asked)
        print(f"--- the document:\n{document}\n--- it goes on:", flush=True)
        answer = chat.complete_turn(
            following,
            tokenizer,
            template,
            document,
            jax.random.fold_in(key, len(said)),
            config.new_tokens,
            stop,
        )
        print(answer.text)
        ended = "ended its turn" if answer.ended else "was broken off"
        print(f"--- it {ended} after {answer.tokens} tokens", flush=True)
        said.append(Turn(asked, answer.text))


def _typed() -> Iterator[str]:
    """What is typed, until "exit" or the end."""
    return itertools.takewhile(lambda line: line != "exit", typed_lines("User: "))


def study(
    setting: Setting, speaker: Speaker, template: ChatTemplate
) -> tuple[list[Claim], list[str]]:
    """Asks questions, counts how often the model ends its turn, and draws one chat."""
    documents = [template.document([], question) for question in QUESTIONS]
    context = speaker.model.config.context
    prompts = [
        speaker.tokenizer.encode(document).tolist()[-context:] for document in documents
    ]
    asked = sample.Config(samples=TIMES, new_tokens=LONGEST)
    written = sample.generate(speaker, prompts, asked, setting.seed)
    texts = sample.texts(speaker, written)
    ended = np.array([template.cut(text)[1] for text in texts])
    seen = speaker.tokenizer.decode(prompts[0])
    picture = style.save(
        pictures.chat_document(
            setting.theme,
            (documents[0].removesuffix(seen), seen),
            texts[: min(TIMES, 3)],
            template.boundary.strip(),
            (int(ended.sum()), len(ended), LONGEST),
            setting.unit,
        ),
        setting.workdir,
        "chat",
        ended=ended,
        texts=texts,
    )
    claim = Claim(
        "5.chat_ends_its_turn",
        "a model that only read texts goes on with a chat as with any document: it "
        "seldom ends the AI's turn",
        float(ended.mean()),
        (0, 0.2),
        (0, 0.1),
        "3Blue1Brown, Large Language Models explained briefly; it has seen no chats",
        unit=f"share of {len(ended)} answers, {LONGEST} {setting.unit}s at most",
        needs="the default recipe, or part5_nanogpt_cpu",
        scored=setting.recipe in ("default", "nanogpt_cpu"),
    )
    return [claim], [picture]


def can_chat(speaker: Speaker, template: ChatTemplate) -> bool:
    """Whether the tokenizer has the characters of the template and the questions."""
    try:
        template.check(speaker.tokenizer)
        for question in QUESTIONS:
            speaker.tokenizer.encode(question)
    except InputError:
        return False
    return True

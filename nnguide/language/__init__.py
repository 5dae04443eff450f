"""Part 5: a transformer that predicts the next word, and what follows from that.

`next_token` is what it is trained for, `sampling` and `generation` make text of its
predictions, `chat` a conversation of text, `pretrained` reads and writes GPT-2.
"""

"""Text to token ids and back; never JAX.

* `protocol`: what every tokenizer does.
* `byte_values`: one token a byte of UTF-8, 256 of them.
* `characters`: one token a character of a given alphabet.
* `words`: one token a word of a closed list.
* `byte_pairs`: bytes joined by learned merges, GPT-2's among them.
* `files`: `save` and `load`, as JSON, never pickle.
"""

"""Parts 6-8: the transformer, in the guide's words and GPT-2's proportions.

`config` says what a transformer is and how it is run, `embedding`, `attention` and
`mlp_block` are its parts, `model` puts them on the residual stream, `attention_kernels`
are faster ways to compute the same attention, `parameter_count` is the guide's table.
"""

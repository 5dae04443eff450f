"""Where batches come from: numpy, TensorFlow Datasets and Grain; never JAX.

* `batches`: which rows step i takes; `Batches`, what `training.fit` reads.
* `host`: the same rows through Grain's threads, for what does not fit on the device.
* `images`: `ImageConfig`, `load_images`, `image_batches`, `image_evaluation`.
* `sources`: images with labels by row, in memory or in the files of a prepared set.
* `mnist5k`: 5,000 MNIST digits, built once as a TFDS set.
* `idx`: the raw files of MNIST and its relatives.
* `prepared`: a folder that TFDS prepared.
* `text`: `TextConfig`, `load_text`, `text_batches`, `text_evaluation`.
* `token_files`: token ids in a `.bin` file, in nanoGPT's and llm.c's layouts.
* `download`: fetching raw files, only on request.
* `cache`: the folder that holds what was built or fetched, each thing whole or absent.
"""

"""Part 9: noise, and the way back from it.

Everything meets at one function, `denoise(x, sigma, condition)`: the estimate of the
clean images x_0, (B, *shape), from x = x_0 + sigma noise, one level sigma (B,) each. A
condition is a tree of arrays that lead with B, or None. A task and a sampler are then

    errors = denoising.loss(network, config, x_0, sigma, noise, condition)   # (B,)

    denoise = denoising.denoiser(network, config)
    denoise = guidance.guided(denoise, unconditioned, guidance_config)
    sigmas = samplers.sampling_sigmas(noise_config, sampler_config)
    x = samplers.starting_noise(keys, shape, sigmas[0])
    x, kept = samplers.sample(denoise, x, keys, sampler_config, sigmas, condition)

where `network(inputs, noise_level, condition)` closes over its parameters: inputs are x
brought to variance 1, noise_level (B,) is ln(sigma) / 4. Call all of it inside
`jax.jit`, parameters an argument.

`noise` has the schedules, `denoising` what networks predict and the ideal denoisers,
`samplers` the way back, `guidance` how to follow a condition further.
"""

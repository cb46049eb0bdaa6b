"""Networks, and trainings of them by Keras and by the engine."""


def build(name, width, image_shape, classes, **options):
    """One of our networks."""
    from few_weights.networks.builder import build_network

    network = {"architecture": name, "options": options}
    return build_network(name, network, width, image_shape, classes)

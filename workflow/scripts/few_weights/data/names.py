"""Display names of data sets, in a separate file because the training fingerprint must not include them."""

#: Data set -> its display name.
NAMES = {
    "mnist": "MNIST",
    "fashion_mnist": "Fashion-MNIST",
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "digits": "UCI digits",
}


def display_name(dataset: str) -> str:
    """The display name of a data set; a user's own data set keeps the name that its study gives it."""
    return NAMES.get(dataset, dataset)

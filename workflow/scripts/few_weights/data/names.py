"""The names of data sets as people read them: apart from the data, since trainings do not depend on them."""

#: The names of known data sets as people read them.
NAMES = {
    "mnist": "MNIST",
    "fashion_mnist": "Fashion-MNIST",
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "digits": "UCI digits",
}


def display_name(dataset: str) -> str:
    """The name of a data set as people read it; a user's own data keeps the name that its study gives it."""
    return NAMES.get(dataset, dataset)

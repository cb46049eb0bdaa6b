"""What a group program keeps for each group of images, what it computes again, and what begins with 0.

Memory is slower than arithmetic: a value that takes few instructions is computed again in the backward pass
instead of being kept for every group of the batch. One buffer then serves all groups, and stays in the cache.
"""

from few_weights.engine.group_plan import GroupPlan, Step
from few_weights.engine.kinds.batch_normalization import BatchNormalization


class GroupMemory:
    """The use of the buffers of a plan, phase by phase.

    Args:
        plan: the network.

    Attributes:
        phases: the numbers of the steps in each phase; each but the first begins with batch normalisation.
        kept_values, kept_gradients: the numbers of the buffers that each group needs of its own.
        again: for each phase, the steps whose forward pass is computed again before the backward pass.
        overwriting: the steps whose gradients of inputs are the first in these buffers.
        zeroed: for each phase, the buffers whose gradients are set to 0 before its backward pass.
    """

    def __init__(self, plan: GroupPlan) -> None:
        self._plan = plan
        self.phases = self._divide()
        count = len(self.phases)
        values, gradients = self._phases_of_values(), self._phases_of_gradients()
        crossing = {buffer for buffer, phases in values.items() if len(phases) > 1}
        # The last phase goes backward before its next group.
        expensive = {plan.buffers[0]} | {self._output(step) for step in plan.steps if not step.kind.cheap}
        self.kept_values = crossing | {each for each in expensive if count - 1 not in values[each]}
        self.kept_gradients = {buffer for buffer, phases in gradients.items() if len(phases) > 1}
        self.again = [
            [number for number in numbers if self._output(plan.steps[number]) not in self.kept_values]
            for numbers in self.phases[:-1]
        ] + [[]]
        self.overwriting: set[int] = set()
        self.zeroed: list[set[int]] = [set() for _ in self.phases]
        self._follow_gradients()

    def _output(self, step: Step) -> int:
        return self._plan.buffers[step.output]

    def _inputs(self, step: Step) -> list[int]:
        return [self._plan.buffers[tensor] for tensor in step.inputs]

    def _divide(self) -> list[list[int]]:
        phases: list[list[int]] = [[]]
        for number, step in enumerate(self._plan.steps):
            if isinstance(step.kind, BatchNormalization):
                phases.append([])
            phases[-1].append(number)
        return phases

    def _phases_of_values(self) -> dict[int, set[int]]:
        """The phases in which each buffer's values are written or read."""
        used: dict[int, set[int]] = {self._plan.buffers[0]: {0}}
        for phase, numbers in enumerate(self.phases):
            for step in (self._plan.steps[number] for number in numbers):
                for buffer in (*self._inputs(step), self._output(step)):
                    used.setdefault(buffer, set()).add(phase)
                # The sums over its input are taken in the phase before.
                if isinstance(step.kind, BatchNormalization):
                    used[self._inputs(step)[0]].add(phase - 1)
        return used

    def _phases_of_gradients(self) -> dict[int, set[int]]:
        """The phases in which each buffer's gradients are written or read, going back."""
        used: dict[int, set[int]] = {}
        for phase, numbers in enumerate(self.phases):
            for step in (self._plan.steps[number] for number in numbers):
                # Batch normalisation reads upstream in both phases, and adds to its input's gradient in the
                # phase before its own.
                before = phase - isinstance(step.kind, BatchNormalization)
                used.setdefault(self._output(step), set()).update((phase, before))
                for buffer in self._inputs(step):
                    used.setdefault(buffer, set()).add(before)
        return used

    def _follow_gradients(self) -> None:
        """Find, going back, the first gradient that reaches each buffer."""
        known = {self._plan.buffers[self._plan.logits]}
        for phase in reversed(range(len(self.phases))):
            for number in reversed(self.phases[phase]):
                step = self._plan.steps[number]
                inputs = self._inputs(step)
                new = set(inputs) - known
                if step.kind.overwrites and len(new) == len(inputs):
                    self.overwriting.add(number)
                else:
                    self.zeroed[phase - isinstance(step.kind, BatchNormalization)] |= new
                known |= new

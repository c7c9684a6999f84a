"""The results of one network on each example, kept so small that every trial can have them.

Two networks fail on the same hard examples. Their difference is therefore more certain than their
intervals say. These results give its interval (`pairing.differences`). There are two forms:

- bits: whether each example is correct. N examples take N / 8 bytes.
- resamples: by how much the score changes in each bootstrap sample of the examples. All networks
  have the same samples (`bootstrap`). They take 1,600 bytes for any N, and serve any score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from paretune.objectives.bootstrap import resample_weights

if TYPE_CHECKING:
    import numpy as np

MOST_BITS = 100_000
"""Most examples for which bits are kept: 12.5 KB. Above, a proportion is resampled."""


@dataclass(frozen=True)
class ExampleResults:
    """The results of one network on N examples.

    Attributes:
        form: "bits" or "resamples".
        count: Number of examples N.
        examples: Digest of the examples and their order; results of other examples are not paired.
        packed: Bits, eight in a byte, or changes of the score as float32 [RESAMPLES].
    """

    form: Literal["bits", "resamples"]
    count: int
    examples: str
    packed: bytes

    @staticmethod
    def of_correct(correct: np.ndarray, examples: str) -> ExampleResults:
        """Returns the results behind a share of correct examples.

        Args:
            correct: Whether each example is correct, bool [N].
            examples: Digest of the examples.
        """
        import numpy as np

        if len(correct) > MOST_BITS:
            results = ExampleResults.of_values(correct.astype(float), examples)
            assert results is not None, "a share of correct examples is finite"
            return results
        return ExampleResults("bits", len(correct), examples, np.packbits(correct).tobytes())

    @staticmethod
    def of_values(values: np.ndarray, examples: str) -> ExampleResults | None:
        """Returns the results behind a mean of values of the examples.

        Args:
            values: A number for each example, [N].
            examples: Digest of the examples.

        Returns:
            None if a value is not finite.
        """
        import numpy as np

        if not np.isfinite(values).all():
            return None
        scores = [
            float(weights @ values) / len(values) for weights in resample_weights(len(values))
        ]
        return ExampleResults.of_resamples(scores, float(values.mean()), len(values), examples)

    @staticmethod
    def of_resamples(
        scores: Sequence[float] | np.ndarray, score: float, count: int, examples: str
    ) -> ExampleResults | None:
        """Returns the results behind any score of the examples.

        Args:
            scores: The score of each bootstrap sample, in the order of `resample_weights`; of the
                first ones, if all would take too long.
            score: The score of the examples themselves.
            count: Number of examples.
            examples: Digest of the examples.

        Returns:
            None if a score is not finite.
        """
        import numpy as np

        changes = np.asarray(scores, dtype=float) - score
        if not np.isfinite(changes).all():
            return None
        packed = changes.astype("<f4").tobytes()
        return ExampleResults("resamples", count, examples, packed)

    @property
    def samples(self) -> int:
        """Number of bootstrap samples; of examples, if the form is bits."""
        return self.count if self.form == "bits" else len(self.packed) // 4

    def pairs_with(self, other: ExampleResults) -> bool:
        """Returns whether both are results of the same examples, in the same form.

        One may have fewer bootstrap samples: the first ones are the same for all networks.
        """
        return (self.form, self.count, self.examples) == (other.form, other.count, other.examples)

    def correct(self) -> np.ndarray:
        """Returns the bits: whether each example is correct, bool [N]."""
        import numpy as np

        assert self.form == "bits"
        packed = np.frombuffer(self.packed, dtype=np.uint8)
        return np.unpackbits(packed, count=self.count).astype(bool)

    def errors(self, samples: int | None = None) -> np.ndarray:
        """Returns the error vector of the score, float64 [N] for bits, else [samples].

        The inner product of the error vectors of two networks is the covariance of their scores.

        Args:
            samples: Number of bootstrap samples, at most all; None for all.
        """
        import numpy as np

        if self.form == "bits":
            values, scale = self.correct().astype(float), float(self.count)
        else:
            values = np.frombuffer(self.packed, dtype="<f4")[:samples].astype(float)
            scale = float(np.sqrt(len(values) - 1))
        errors: np.ndarray = (values - values.mean()) / scale
        return errors

"""Statistics of wind speeds: the Weibull distribution by maximum likelihood, and the power in the wind.

Calm hours are the caller's affair: the fit takes the speeds above zero, the power density takes all of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

Speeds = npt.NDArray[np.float64]
"""Wind speeds, one per hour [m/s]."""

MINIMUM_HOURS = 60
"""Fewest hours that a Weibull fit is made from.

For n independent hours the standard error of k is `sqrt(6) / pi * k / sqrt(n)`: 10 % of k at 60.
"""


@dataclass(frozen=True)
class Weibull:
    """A Weibull distribution of wind speed, as wind engineers write it."""

    a: float
    """Scale [m/s]: the speed that 63 % of the hours stay below."""
    k: float
    """Shape [1]: 2 is the Rayleigh distribution; higher is steadier wind."""

    def density(self, speed: Speeds) -> Speeds:
        """Return the probability density [1/(m/s)] at speeds above zero [m/s]."""
        relative = speed / self.a
        return self.k / self.a * relative ** (self.k - 1) * np.exp(-(relative**self.k))


def fit_weibull(speed: Speeds) -> Weibull | None:
    """Fit a Weibull distribution to wind speeds by maximum likelihood.

    How it works
        Setting the derivatives of the log-likelihood to zero leaves one equation for k,
        `sum(v**k ln v) / sum(v**k) - 1/k - mean(ln v) = 0`, and then `A = mean(v**k) ** (1/k)`
        (Stevens and Smulders, Wind Engineering 3 (1979) 132-145). The left side rises strictly with k, from minus
        infinity to `ln(max v) - mean(ln v)`, so there is exactly one root unless all speeds are equal.

    Known limits
        The hours are taken as independent; as real ones are not, the fit is less certain than their number suggests.

    :param speed: speeds above zero [m/s]
    :return: the distribution, or None from fewer than `MINIMUM_HOURS` speeds, or if all are equal
    """
    if speed.size < MINIMUM_HOURS or speed.min() == speed.max():
        return None
    # Relative to the highest speed no power can overflow.
    highest = float(speed.max())
    relative = speed / highest
    logarithm = np.log(relative)
    mean_logarithm = float(np.mean(logarithm))

    def likelihood_slope(k: float) -> float:
        power = relative**k
        return float(np.sum(power * logarithm) / np.sum(power)) - 1 / k - mean_logarithm

    below, above = 1.0, 1.0
    while likelihood_slope(below) > 0:
        below /= 2
    while likelihood_slope(above) < 0:
        above *= 2
    k = float(brentq(likelihood_slope, below, above, xtol=1e-12)) if below < above else below
    return Weibull(a=highest * math.pow(float(np.mean(relative**k)), 1 / k), k=k)


def mean_power_density(speed: Speeds, air_density: float) -> float:
    """Return the mean power that the wind carries through a square metre across it [W/m2].

    Half the density times the mean of the cubed hourly speeds. That is the power in the wind; a rotor can take at most
    16/27 of it (Betz).

    :param speed: all speeds, calm hours as zeros [m/s]
    :param air_density: one density for all hours [kg/m3]
    """
    return 0.5 * air_density * float(np.mean(speed**3))

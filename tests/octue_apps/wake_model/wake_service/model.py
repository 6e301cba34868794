"""Jensen's model of a wake."""

import math


def speed_behind(speed, thrust, distance, *, decay, diameter):
    widening = 1 + 2 * decay * distance / diameter
    return speed * (1 - (1 - math.sqrt(1 - thrust)) / widening**2)

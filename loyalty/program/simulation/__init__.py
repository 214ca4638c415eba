"""Run real purchases through the programme's own acts, with a clock that leaps from one end of a month to the next."""

"""From the commands topic to running units: offsets, lanes, dead letters, and the loop that drives them."""

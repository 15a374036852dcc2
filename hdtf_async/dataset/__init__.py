"""Where clips come from: table readers, corrections, crop boxes, the plan."""

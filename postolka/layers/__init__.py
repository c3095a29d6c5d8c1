"""The layers of an image, lowest first: each makes one store path from the ones below it."""

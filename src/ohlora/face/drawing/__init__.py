"""Drawing a face: signed-distance shapes, layers, paint, the renderer, the people it draws."""

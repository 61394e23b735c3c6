SHAPES: tuple[object, ...] = ()

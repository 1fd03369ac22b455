"""Operations that `keras.ops` lacks. Only this package and `checkpoints` depend on the backends."""

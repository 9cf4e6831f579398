from .checkpoint_import import import_thesis_model as import_thesis_model
from .flags import FLAGS as FLAGS
from .translation import translate_training as translate_training

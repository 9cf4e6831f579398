from .packing import PackConfig as PackConfig
from .packing import pack_steps as pack_steps
from .shard_index import Shard as Shard
from .shard_index import ShardIndex as ShardIndex
from .shard_index import read_index as read_index

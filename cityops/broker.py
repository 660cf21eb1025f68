"""Redis as Celery's broker, for workers that hear again after an acknowledgement was lost."""

from typing import Any

from kombu.transport import redis, virtual

_owed: set[str] = set()  # tags of messages this process is done with, and Redis does not know it


class QoS(redis.QoS):
    """What a worker has taken and not yet acknowledged."""

    def ack(self, delivery_tag: str) -> None:
        """Count a message as dealt with, then tell Redis so; raises what the network raises.

        The other way round, a worker whose only slot holds a message that could not be acknowledged
        asks for no other, and so never finds out that its connection is dead. Redis is told
        together with the next message, on the connection that works by then.
        """
        virtual.QoS.ack(self, delivery_tag)
        _owed.add(delivery_tag)
        told = set(_owed)
        channel: Any = self.channel  # the stubs know of neither key
        with self.pipe_or_acquire() as pipe:
            pipe.zrem(channel.unacked_index_key, *told)
            pipe.hdel(channel.unacked_key, *told)
            pipe.execute()
        _owed.difference_update(told)


class Channel(redis.Channel):
    """A channel that counts so."""

    QoS = QoS


class Transport(redis.Transport):
    """What `redis://` stands for in this project (celery.py)."""

    Channel = Channel

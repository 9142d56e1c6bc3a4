import threading

from pymongo.monitoring import CommandStartedEvent
from sync_runtime import mongo
from sync_runtime.settings import RuntimeSettings


def test_the_client_is_safe_even_when_the_url_says_otherwise() -> None:
    url = "mongodb://127.0.0.1:1/?replicaSet=rs0&w=1&journal=false&retryWrites=false&readConcernLevel=local"
    client = mongo.client(RuntimeSettings(instance_id="x", mongo_url=url))

    assert client.write_concern.document == {"w": "majority", "j": True}
    assert client.read_concern.level == "majority"
    assert client.delegate.options.retry_writes is True
    assert client.delegate.options.timeout == 10.0
    assert client.codec_options.tz_aware is True
    assert mongo.database(client, RuntimeSettings(instance_id="x")).name == "syncbucket"
    client.close()


def _started(name: str) -> CommandStartedEvent:
    return CommandStartedEvent({name: "c"}, "db", 1, ("127.0.0.1", 1), 1)


def test_operations_are_counted_by_name_from_any_thread() -> None:
    listener = mongo.CountingListener()

    def find_500_times() -> None:
        for _ in range(500):
            listener.started(_started("find"))

    threads = [threading.Thread(target=find_500_times) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    listener.started(_started("update"))

    assert listener.counts() == {"find": 2_000, "update": 1}
    listener.clear()
    assert listener.counts() == {}


def test_a_standalone_server_and_a_secondary_are_refused_with_the_cure() -> None:
    assert "--replSet" in (mongo.unusable({"isWritablePrimary": True}) or "")
    assert "no writable primary" in (mongo.unusable({"setName": "rs0", "isWritablePrimary": False}) or "")
    assert mongo.unusable({"setName": "rs0", "isWritablePrimary": True}) is None

"""What one peer may cost us: counts, lengths and deadlines of the DICOM ports."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.config import LimitsSettings

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of a group of DICOM ports. Times are seconds of a clock that can't be set."""

    associations: int = 200  # established at once, in all; past it A-ASSOCIATE-RJ (2,3,2)
    associations_per_address: int = 50  # established at once from one IP address
    pending: int = 256  # connections without an association, a socket each; past it the oldest of the greediest goes
    backlog: int = 256  # connections the kernel keeps for us

    tls_deadline: float = 5.0  # TLS handshake
    request_deadline: float = 10.0  # from connection to the whole A-ASSOCIATE-RQ
    pdu_deadline: float = 30.0  # one PDU, from its first byte to its last
    message_time: float = 120.0  # one DIMSE message, besides what its size allows it
    message_rate: int = 50_000  # bytes a second: a longer message may take as long as this rate needs
    empty_dataset_after: float = 5.0  # a small request that announced a data set and sent none is taken as empty
    send_timeout: float = 30.0  # a peer that does not read
    connect_timeout: float = 10.0  # as SCU: TCP connection
    response_timeout: float = 300.0  # as SCU: waiting for a response
    idle: float = 3600.0  # between messages: people compose films meanwhile
    stranger_idle: float = 300.0  # the same for peers nobody entered, while three quarters of the places are taken
    user_timeout: float = 60.0  # unacknowledged bytes on a dead line (TCP_USER_TIMEOUT)

    pdu_max: int = 128 * KIB  # announced; a longer P-DATA-TF is cut
    request_pdu_max: int = 256 * KIB  # A-ASSOCIATE-RQ and every other PDU but P-DATA-TF
    command_max: int = 64 * KIB  # encoded command set
    memory_max: int = 16 * MIB  # data set kept in memory (all but N-SET and C-STORE), and all of them queued together
    dataset_max: int = 512 * MIB  # spooled data set of an N-SET
    store_max: int = 16 * 1024 * MIB  # spooled data set of a C-STORE
    sequence_depth: int = LimitsSettings().sequence_depth  # in data sets of N-services
    queued_messages: int = 64  # not yet served on one association
    queued_answers: int = 200_000  # as SCU: matches and counts not yet read; memory_max holds for them, too


DEFAULT_LIMITS = Limits()

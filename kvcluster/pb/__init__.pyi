# Written by proto/build.py; do not edit.
from collections.abc import Iterable

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.internal.containers import RepeatedCompositeFieldContainer, RepeatedScalarFieldContainer
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import Message

DESCRIPTOR_SET: bytes
FILES: list[FileDescriptor]
AlarmType: EnumTypeWrapper

class UserAddOptions(Message):
    no_password: bool
    def __init__(self, *, no_password: bool = ...) -> None: ...

class User(Message):
    name: bytes
    password: bytes
    roles: RepeatedScalarFieldContainer[str]
    @property
    def options(self) -> UserAddOptions: ...
    def __init__(self, *, name: bytes = ..., password: bytes = ..., roles: Iterable[str] = ..., options: UserAddOptions | None = ...) -> None: ...

class Permission(Message):
    READ: int
    WRITE: int
    READWRITE: int
    permType: int
    key: bytes
    range_end: bytes
    def __init__(self, *, permType: int = ..., key: bytes = ..., range_end: bytes = ...) -> None: ...

class Role(Message):
    name: bytes
    keyPermission: RepeatedCompositeFieldContainer[Permission]
    def __init__(self, *, name: bytes = ..., keyPermission: Iterable[Permission] = ...) -> None: ...

class HealthCheckRequest(Message):
    service: str
    def __init__(self, *, service: str = ...) -> None: ...

class HealthCheckResponse(Message):
    UNKNOWN: int
    SERVING: int
    NOT_SERVING: int
    SERVICE_UNKNOWN: int
    status: int
    def __init__(self, *, status: int = ...) -> None: ...

class KeyValue(Message):
    key: bytes
    create_revision: int
    mod_revision: int
    version: int
    value: bytes
    lease: int
    def __init__(self, *, key: bytes = ..., create_revision: int = ..., mod_revision: int = ..., version: int = ..., value: bytes = ..., lease: int = ...) -> None: ...

class Event(Message):
    PUT: int
    DELETE: int
    type: int
    @property
    def kv(self) -> KeyValue: ...
    @property
    def prev_kv(self) -> KeyValue: ...
    def __init__(self, *, type: int = ..., kv: KeyValue | None = ..., prev_kv: KeyValue | None = ...) -> None: ...

class ServerReflectionRequest(Message):
    host: str
    file_by_filename: str
    file_containing_symbol: str
    @property
    def file_containing_extension(self) -> ExtensionRequest: ...
    all_extension_numbers_of_type: str
    list_services: str
    def __init__(self, *, host: str = ..., file_by_filename: str = ..., file_containing_symbol: str = ..., file_containing_extension: ExtensionRequest | None = ..., all_extension_numbers_of_type: str = ..., list_services: str = ...) -> None: ...

class ExtensionRequest(Message):
    containing_type: str
    extension_number: int
    def __init__(self, *, containing_type: str = ..., extension_number: int = ...) -> None: ...

class ServerReflectionResponse(Message):
    valid_host: str
    @property
    def original_request(self) -> ServerReflectionRequest: ...
    @property
    def file_descriptor_response(self) -> FileDescriptorResponse: ...
    @property
    def all_extension_numbers_response(self) -> ExtensionNumberResponse: ...
    @property
    def list_services_response(self) -> ListServiceResponse: ...
    @property
    def error_response(self) -> ErrorResponse: ...
    def __init__(self, *, valid_host: str = ..., original_request: ServerReflectionRequest | None = ..., file_descriptor_response: FileDescriptorResponse | None = ..., all_extension_numbers_response: ExtensionNumberResponse | None = ..., list_services_response: ListServiceResponse | None = ..., error_response: ErrorResponse | None = ...) -> None: ...

class FileDescriptorResponse(Message):
    file_descriptor_proto: RepeatedScalarFieldContainer[bytes]
    def __init__(self, *, file_descriptor_proto: Iterable[bytes] = ...) -> None: ...

class ExtensionNumberResponse(Message):
    base_type_name: str
    extension_number: RepeatedScalarFieldContainer[int]
    def __init__(self, *, base_type_name: str = ..., extension_number: Iterable[int] = ...) -> None: ...

class ListServiceResponse(Message):
    service: RepeatedCompositeFieldContainer[ServiceResponse]
    def __init__(self, *, service: Iterable[ServiceResponse] = ...) -> None: ...

class ServiceResponse(Message):
    name: str
    def __init__(self, *, name: str = ...) -> None: ...

class ErrorResponse(Message):
    error_code: int
    error_message: str
    def __init__(self, *, error_code: int = ..., error_message: str = ...) -> None: ...

class ResponseHeader(Message):
    cluster_id: int
    member_id: int
    revision: int
    raft_term: int
    def __init__(self, *, cluster_id: int = ..., member_id: int = ..., revision: int = ..., raft_term: int = ...) -> None: ...

class RangeRequest(Message):
    NONE: int
    ASCEND: int
    DESCEND: int
    KEY: int
    VERSION: int
    CREATE: int
    MOD: int
    VALUE: int
    key: bytes
    range_end: bytes
    limit: int
    revision: int
    sort_order: int
    sort_target: int
    serializable: bool
    keys_only: bool
    count_only: bool
    min_mod_revision: int
    max_mod_revision: int
    min_create_revision: int
    max_create_revision: int
    def __init__(self, *, key: bytes = ..., range_end: bytes = ..., limit: int = ..., revision: int = ..., sort_order: int = ..., sort_target: int = ..., serializable: bool = ..., keys_only: bool = ..., count_only: bool = ..., min_mod_revision: int = ..., max_mod_revision: int = ..., min_create_revision: int = ..., max_create_revision: int = ...) -> None: ...

class RangeResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    kvs: RepeatedCompositeFieldContainer[KeyValue]
    more: bool
    count: int
    def __init__(self, *, header: ResponseHeader | None = ..., kvs: Iterable[KeyValue] = ..., more: bool = ..., count: int = ...) -> None: ...

class PutRequest(Message):
    key: bytes
    value: bytes
    lease: int
    prev_kv: bool
    ignore_value: bool
    ignore_lease: bool
    def __init__(self, *, key: bytes = ..., value: bytes = ..., lease: int = ..., prev_kv: bool = ..., ignore_value: bool = ..., ignore_lease: bool = ...) -> None: ...

class PutResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    @property
    def prev_kv(self) -> KeyValue: ...
    def __init__(self, *, header: ResponseHeader | None = ..., prev_kv: KeyValue | None = ...) -> None: ...

class DeleteRangeRequest(Message):
    key: bytes
    range_end: bytes
    prev_kv: bool
    def __init__(self, *, key: bytes = ..., range_end: bytes = ..., prev_kv: bool = ...) -> None: ...

class DeleteRangeResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    deleted: int
    prev_kvs: RepeatedCompositeFieldContainer[KeyValue]
    def __init__(self, *, header: ResponseHeader | None = ..., deleted: int = ..., prev_kvs: Iterable[KeyValue] = ...) -> None: ...

class RequestOp(Message):
    @property
    def request_range(self) -> RangeRequest: ...
    @property
    def request_put(self) -> PutRequest: ...
    @property
    def request_delete_range(self) -> DeleteRangeRequest: ...
    @property
    def request_txn(self) -> TxnRequest: ...
    def __init__(self, *, request_range: RangeRequest | None = ..., request_put: PutRequest | None = ..., request_delete_range: DeleteRangeRequest | None = ..., request_txn: TxnRequest | None = ...) -> None: ...

class ResponseOp(Message):
    @property
    def response_range(self) -> RangeResponse: ...
    @property
    def response_put(self) -> PutResponse: ...
    @property
    def response_delete_range(self) -> DeleteRangeResponse: ...
    @property
    def response_txn(self) -> TxnResponse: ...
    def __init__(self, *, response_range: RangeResponse | None = ..., response_put: PutResponse | None = ..., response_delete_range: DeleteRangeResponse | None = ..., response_txn: TxnResponse | None = ...) -> None: ...

class Compare(Message):
    EQUAL: int
    GREATER: int
    LESS: int
    NOT_EQUAL: int
    VERSION: int
    CREATE: int
    MOD: int
    VALUE: int
    LEASE: int
    result: int
    target: int
    key: bytes
    version: int
    create_revision: int
    mod_revision: int
    value: bytes
    lease: int
    range_end: bytes
    def __init__(self, *, result: int = ..., target: int = ..., key: bytes = ..., version: int = ..., create_revision: int = ..., mod_revision: int = ..., value: bytes = ..., lease: int = ..., range_end: bytes = ...) -> None: ...

class TxnRequest(Message):
    compare: RepeatedCompositeFieldContainer[Compare]
    success: RepeatedCompositeFieldContainer[RequestOp]
    failure: RepeatedCompositeFieldContainer[RequestOp]
    def __init__(self, *, compare: Iterable[Compare] = ..., success: Iterable[RequestOp] = ..., failure: Iterable[RequestOp] = ...) -> None: ...

class TxnResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    succeeded: bool
    responses: RepeatedCompositeFieldContainer[ResponseOp]
    def __init__(self, *, header: ResponseHeader | None = ..., succeeded: bool = ..., responses: Iterable[ResponseOp] = ...) -> None: ...

class CompactionRequest(Message):
    revision: int
    physical: bool
    def __init__(self, *, revision: int = ..., physical: bool = ...) -> None: ...

class CompactionResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    def __init__(self, *, header: ResponseHeader | None = ...) -> None: ...

class HashRequest(Message):
    def __init__(self, ) -> None: ...

class HashKVRequest(Message):
    revision: int
    def __init__(self, *, revision: int = ...) -> None: ...

class HashKVResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    hash: int
    compact_revision: int
    hash_revision: int
    def __init__(self, *, header: ResponseHeader | None = ..., hash: int = ..., compact_revision: int = ..., hash_revision: int = ...) -> None: ...

class HashResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    hash: int
    def __init__(self, *, header: ResponseHeader | None = ..., hash: int = ...) -> None: ...

class SnapshotRequest(Message):
    def __init__(self, ) -> None: ...

class SnapshotResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    remaining_bytes: int
    blob: bytes
    version: str
    def __init__(self, *, header: ResponseHeader | None = ..., remaining_bytes: int = ..., blob: bytes = ..., version: str = ...) -> None: ...

class WatchRequest(Message):
    @property
    def create_request(self) -> WatchCreateRequest: ...
    @property
    def cancel_request(self) -> WatchCancelRequest: ...
    @property
    def progress_request(self) -> WatchProgressRequest: ...
    def __init__(self, *, create_request: WatchCreateRequest | None = ..., cancel_request: WatchCancelRequest | None = ..., progress_request: WatchProgressRequest | None = ...) -> None: ...

class WatchCreateRequest(Message):
    NOPUT: int
    NODELETE: int
    key: bytes
    range_end: bytes
    start_revision: int
    progress_notify: bool
    filters: RepeatedScalarFieldContainer[int]
    prev_kv: bool
    watch_id: int
    fragment: bool
    def __init__(self, *, key: bytes = ..., range_end: bytes = ..., start_revision: int = ..., progress_notify: bool = ..., filters: Iterable[int] = ..., prev_kv: bool = ..., watch_id: int = ..., fragment: bool = ...) -> None: ...

class WatchCancelRequest(Message):
    watch_id: int
    def __init__(self, *, watch_id: int = ...) -> None: ...

class WatchProgressRequest(Message):
    def __init__(self, ) -> None: ...

class WatchResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    watch_id: int
    created: bool
    canceled: bool
    compact_revision: int
    cancel_reason: str
    fragment: bool
    events: RepeatedCompositeFieldContainer[Event]
    def __init__(self, *, header: ResponseHeader | None = ..., watch_id: int = ..., created: bool = ..., canceled: bool = ..., compact_revision: int = ..., cancel_reason: str = ..., fragment: bool = ..., events: Iterable[Event] = ...) -> None: ...

class LeaseGrantRequest(Message):
    TTL: int
    ID: int
    def __init__(self, *, TTL: int = ..., ID: int = ...) -> None: ...

class LeaseGrantResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    ID: int
    TTL: int
    error: str
    def __init__(self, *, header: ResponseHeader | None = ..., ID: int = ..., TTL: int = ..., error: str = ...) -> None: ...

class LeaseRevokeRequest(Message):
    ID: int
    def __init__(self, *, ID: int = ...) -> None: ...

class LeaseRevokeResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    def __init__(self, *, header: ResponseHeader | None = ...) -> None: ...

class LeaseCheckpoint(Message):
    ID: int
    remaining_TTL: int
    def __init__(self, *, ID: int = ..., remaining_TTL: int = ...) -> None: ...

class LeaseCheckpointRequest(Message):
    checkpoints: RepeatedCompositeFieldContainer[LeaseCheckpoint]
    def __init__(self, *, checkpoints: Iterable[LeaseCheckpoint] = ...) -> None: ...

class LeaseCheckpointResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    def __init__(self, *, header: ResponseHeader | None = ...) -> None: ...

class LeaseKeepAliveRequest(Message):
    ID: int
    def __init__(self, *, ID: int = ...) -> None: ...

class LeaseKeepAliveResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    ID: int
    TTL: int
    def __init__(self, *, header: ResponseHeader | None = ..., ID: int = ..., TTL: int = ...) -> None: ...

class LeaseTimeToLiveRequest(Message):
    ID: int
    keys: bool
    def __init__(self, *, ID: int = ..., keys: bool = ...) -> None: ...

class LeaseTimeToLiveResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    ID: int
    TTL: int
    grantedTTL: int
    keys: RepeatedScalarFieldContainer[bytes]
    def __init__(self, *, header: ResponseHeader | None = ..., ID: int = ..., TTL: int = ..., grantedTTL: int = ..., keys: Iterable[bytes] = ...) -> None: ...

class LeaseLeasesRequest(Message):
    def __init__(self, ) -> None: ...

class LeaseStatus(Message):
    ID: int
    def __init__(self, *, ID: int = ...) -> None: ...

class LeaseLeasesResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    leases: RepeatedCompositeFieldContainer[LeaseStatus]
    def __init__(self, *, header: ResponseHeader | None = ..., leases: Iterable[LeaseStatus] = ...) -> None: ...

class Member(Message):
    ID: int
    name: str
    peerURLs: RepeatedScalarFieldContainer[str]
    clientURLs: RepeatedScalarFieldContainer[str]
    isLearner: bool
    def __init__(self, *, ID: int = ..., name: str = ..., peerURLs: Iterable[str] = ..., clientURLs: Iterable[str] = ..., isLearner: bool = ...) -> None: ...

class MemberAddRequest(Message):
    peerURLs: RepeatedScalarFieldContainer[str]
    isLearner: bool
    def __init__(self, *, peerURLs: Iterable[str] = ..., isLearner: bool = ...) -> None: ...

class MemberAddResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    @property
    def member(self) -> Member: ...
    members: RepeatedCompositeFieldContainer[Member]
    def __init__(self, *, header: ResponseHeader | None = ..., member: Member | None = ..., members: Iterable[Member] = ...) -> None: ...

class MemberRemoveRequest(Message):
    ID: int
    def __init__(self, *, ID: int = ...) -> None: ...

class MemberRemoveResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    members: RepeatedCompositeFieldContainer[Member]
    def __init__(self, *, header: ResponseHeader | None = ..., members: Iterable[Member] = ...) -> None: ...

class MemberUpdateRequest(Message):
    ID: int
    peerURLs: RepeatedScalarFieldContainer[str]
    def __init__(self, *, ID: int = ..., peerURLs: Iterable[str] = ...) -> None: ...

class MemberUpdateResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    members: RepeatedCompositeFieldContainer[Member]
    def __init__(self, *, header: ResponseHeader | None = ..., members: Iterable[Member] = ...) -> None: ...

class MemberListRequest(Message):
    linearizable: bool
    def __init__(self, *, linearizable: bool = ...) -> None: ...

class MemberListResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    members: RepeatedCompositeFieldContainer[Member]
    def __init__(self, *, header: ResponseHeader | None = ..., members: Iterable[Member] = ...) -> None: ...

class MemberPromoteRequest(Message):
    ID: int
    def __init__(self, *, ID: int = ...) -> None: ...

class MemberPromoteResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    members: RepeatedCompositeFieldContainer[Member]
    def __init__(self, *, header: ResponseHeader | None = ..., members: Iterable[Member] = ...) -> None: ...

class DefragmentRequest(Message):
    def __init__(self, ) -> None: ...

class DefragmentResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    def __init__(self, *, header: ResponseHeader | None = ...) -> None: ...

class MoveLeaderRequest(Message):
    targetID: int
    def __init__(self, *, targetID: int = ...) -> None: ...

class MoveLeaderResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    def __init__(self, *, header: ResponseHeader | None = ...) -> None: ...

class AlarmRequest(Message):
    GET: int
    ACTIVATE: int
    DEACTIVATE: int
    action: int
    memberID: int
    alarm: int
    def __init__(self, *, action: int = ..., memberID: int = ..., alarm: int = ...) -> None: ...

class AlarmMember(Message):
    memberID: int
    alarm: int
    def __init__(self, *, memberID: int = ..., alarm: int = ...) -> None: ...

class AlarmResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    alarms: RepeatedCompositeFieldContainer[AlarmMember]
    def __init__(self, *, header: ResponseHeader | None = ..., alarms: Iterable[AlarmMember] = ...) -> None: ...

class DowngradeRequest(Message):
    VALIDATE: int
    ENABLE: int
    CANCEL: int
    action: int
    version: str
    def __init__(self, *, action: int = ..., version: str = ...) -> None: ...

class DowngradeResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    version: str
    def __init__(self, *, header: ResponseHeader | None = ..., version: str = ...) -> None: ...

class DowngradeVersionTestRequest(Message):
    ver: str
    def __init__(self, *, ver: str = ...) -> None: ...

class StatusRequest(Message):
    def __init__(self, ) -> None: ...

class StatusResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    version: str
    dbSize: int
    leader: int
    raftIndex: int
    raftTerm: int
    raftAppliedIndex: int
    errors: RepeatedScalarFieldContainer[str]
    dbSizeInUse: int
    isLearner: bool
    storageVersion: str
    dbSizeQuota: int
    @property
    def downgradeInfo(self) -> DowngradeInfo: ...
    def __init__(self, *, header: ResponseHeader | None = ..., version: str = ..., dbSize: int = ..., leader: int = ..., raftIndex: int = ..., raftTerm: int = ..., raftAppliedIndex: int = ..., errors: Iterable[str] = ..., dbSizeInUse: int = ..., isLearner: bool = ..., storageVersion: str = ..., dbSizeQuota: int = ..., downgradeInfo: DowngradeInfo | None = ...) -> None: ...

class DowngradeInfo(Message):
    enabled: bool
    targetVersion: str
    def __init__(self, *, enabled: bool = ..., targetVersion: str = ...) -> None: ...

class AuthEnableRequest(Message):
    def __init__(self, ) -> None: ...

class AuthDisableRequest(Message):
    def __init__(self, ) -> None: ...

class AuthStatusRequest(Message):
    def __init__(self, ) -> None: ...

class AuthenticateRequest(Message):
    name: str
    password: str
    def __init__(self, *, name: str = ..., password: str = ...) -> None: ...

class AuthUserAddRequest(Message):
    name: str
    password: str
    @property
    def options(self) -> UserAddOptions: ...
    hashedPassword: str
    def __init__(self, *, name: str = ..., password: str = ..., options: UserAddOptions | None = ..., hashedPassword: str = ...) -> None: ...

class AuthUserGetRequest(Message):
    name: str
    def __init__(self, *, name: str = ...) -> None: ...

class AuthUserDeleteRequest(Message):
    name: str
    def __init__(self, *, name: str = ...) -> None: ...

class AuthUserChangePasswordRequest(Message):
    name: str
    password: str
    hashedPassword: str
    def __init__(self, *, name: str = ..., password: str = ..., hashedPassword: str = ...) -> None: ...

class AuthUserGrantRoleRequest(Message):
    user: str
    role: str
    def __init__(self, *, user: str = ..., role: str = ...) -> None: ...

class AuthUserRevokeRoleRequest(Message):
    name: str
    role: str
    def __init__(self, *, name: str = ..., role: str = ...) -> None: ...

class AuthRoleAddRequest(Message):
    name: str
    def __init__(self, *, name: str = ...) -> None: ...

class AuthRoleGetRequest(Message):
    role: str
    def __init__(self, *, role: str = ...) -> None: ...

class AuthUserListRequest(Message):
    def __init__(self, ) -> None: ...

class AuthRoleListRequest(Message):
    def __init__(self, ) -> None: ...

class AuthRoleDeleteRequest(Message):
    role: str
    def __init__(self, *, role: str = ...) -> None: ...

class AuthRoleGrantPermissionRequest(Message):
    name: str
    @property
    def perm(self) -> Permission: ...
    def __init__(self, *, name: str = ..., perm: Permission | None = ...) -> None: ...

class AuthRoleRevokePermissionRequest(Message):
    role: str
    key: bytes
    range_end: bytes
    def __init__(self, *, role: str = ..., key: bytes = ..., range_end: bytes = ...) -> None: ...

class AuthEnableResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    def __init__(self, *, header: ResponseHeader | None = ...) -> None: ...

class AuthDisableResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    def __init__(self, *, header: ResponseHeader | None = ...) -> None: ...

class AuthStatusResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    enabled: bool
    authRevision: int
    def __init__(self, *, header: ResponseHeader | None = ..., enabled: bool = ..., authRevision: int = ...) -> None: ...

class AuthenticateResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    token: str
    def __init__(self, *, header: ResponseHeader | None = ..., token: str = ...) -> None: ...

class AuthUserAddResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    def __init__(self, *, header: ResponseHeader | None = ...) -> None: ...

class AuthUserGetResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    roles: RepeatedScalarFieldContainer[str]
    def __init__(self, *, header: ResponseHeader | None = ..., roles: Iterable[str] = ...) -> None: ...

class AuthUserDeleteResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    def __init__(self, *, header: ResponseHeader | None = ...) -> None: ...

class AuthUserChangePasswordResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    def __init__(self, *, header: ResponseHeader | None = ...) -> None: ...

class AuthUserGrantRoleResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    def __init__(self, *, header: ResponseHeader | None = ...) -> None: ...

class AuthUserRevokeRoleResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    def __init__(self, *, header: ResponseHeader | None = ...) -> None: ...

class AuthRoleAddResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    def __init__(self, *, header: ResponseHeader | None = ...) -> None: ...

class AuthRoleGetResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    perm: RepeatedCompositeFieldContainer[Permission]
    def __init__(self, *, header: ResponseHeader | None = ..., perm: Iterable[Permission] = ...) -> None: ...

class AuthRoleListResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    roles: RepeatedScalarFieldContainer[str]
    def __init__(self, *, header: ResponseHeader | None = ..., roles: Iterable[str] = ...) -> None: ...

class AuthUserListResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    users: RepeatedScalarFieldContainer[str]
    def __init__(self, *, header: ResponseHeader | None = ..., users: Iterable[str] = ...) -> None: ...

class AuthRoleDeleteResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    def __init__(self, *, header: ResponseHeader | None = ...) -> None: ...

class AuthRoleGrantPermissionResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    def __init__(self, *, header: ResponseHeader | None = ...) -> None: ...

class AuthRoleRevokePermissionResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    def __init__(self, *, header: ResponseHeader | None = ...) -> None: ...

class RangeStreamResponse(Message):
    @property
    def range_response(self) -> RangeResponse: ...
    def __init__(self, *, range_response: RangeResponse | None = ...) -> None: ...

class CampaignRequest(Message):
    name: bytes
    lease: int
    value: bytes
    def __init__(self, *, name: bytes = ..., lease: int = ..., value: bytes = ...) -> None: ...

class CampaignResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    @property
    def leader(self) -> LeaderKey: ...
    def __init__(self, *, header: ResponseHeader | None = ..., leader: LeaderKey | None = ...) -> None: ...

class LeaderKey(Message):
    name: bytes
    key: bytes
    rev: int
    lease: int
    def __init__(self, *, name: bytes = ..., key: bytes = ..., rev: int = ..., lease: int = ...) -> None: ...

class LeaderRequest(Message):
    name: bytes
    def __init__(self, *, name: bytes = ...) -> None: ...

class LeaderResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    @property
    def kv(self) -> KeyValue: ...
    def __init__(self, *, header: ResponseHeader | None = ..., kv: KeyValue | None = ...) -> None: ...

class ResignRequest(Message):
    @property
    def leader(self) -> LeaderKey: ...
    def __init__(self, *, leader: LeaderKey | None = ...) -> None: ...

class ResignResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    def __init__(self, *, header: ResponseHeader | None = ...) -> None: ...

class ProclaimRequest(Message):
    @property
    def leader(self) -> LeaderKey: ...
    value: bytes
    def __init__(self, *, leader: LeaderKey | None = ..., value: bytes = ...) -> None: ...

class ProclaimResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    def __init__(self, *, header: ResponseHeader | None = ...) -> None: ...

class LockRequest(Message):
    name: bytes
    lease: int
    def __init__(self, *, name: bytes = ..., lease: int = ...) -> None: ...

class LockResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    key: bytes
    def __init__(self, *, header: ResponseHeader | None = ..., key: bytes = ...) -> None: ...

class UnlockRequest(Message):
    key: bytes
    def __init__(self, *, key: bytes = ...) -> None: ...

class UnlockResponse(Message):
    @property
    def header(self) -> ResponseHeader: ...
    def __init__(self, *, header: ResponseHeader | None = ...) -> None: ...

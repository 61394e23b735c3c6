-- Times are seconds since 1970 (REAL, 0 = never), booleans 0 or 1, lists and Structs JSON text.
-- Columns named *_sealed hold an envelope of vault.py, '' for none.

PRAGMA application_id = 0x4F6D6E69;

CREATE TABLE meta (
  name TEXT PRIMARY KEY,
  value ANY NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE settings (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL CHECK (json_valid(value)),
  updated_epoch_s REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE api_keys (
  key_id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  digest BLOB NOT NULL UNIQUE,
  prefix TEXT NOT NULL,
  last4 TEXT NOT NULL,
  scopes TEXT NOT NULL CHECK (json_valid(scopes)),
  allowed_models TEXT NOT NULL CHECK (json_valid(allowed_models)),
  allowed_connections TEXT NOT NULL CHECK (json_valid(allowed_connections)),
  requests_per_minute INTEGER NOT NULL CHECK (requests_per_minute >= 0),
  max_in_flight INTEGER NOT NULL CHECK (max_in_flight >= 0),
  expires_epoch_s REAL NOT NULL,
  created_epoch_s REAL NOT NULL,
  revoked_epoch_s REAL NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE connections (
  connection_id TEXT PRIMARY KEY,
  label TEXT NOT NULL,
  provider TEXT NOT NULL,
  base_url TEXT NOT NULL,
  dialect TEXT NOT NULL,
  models TEXT NOT NULL CHECK (json_valid(models)),
  priority INTEGER NOT NULL,
  max_in_flight INTEGER NOT NULL CHECK (max_in_flight >= 0),
  allow_private INTEGER NOT NULL CHECK (allow_private IN (0, 1)),
  active INTEGER NOT NULL CHECK (active IN (0, 1)),
  timeouts TEXT NOT NULL CHECK (json_valid(timeouts)),
  ca_pem TEXT NOT NULL,
  client_cert_pem TEXT NOT NULL,
  server_name TEXT NOT NULL,
  credential_sealed TEXT NOT NULL,
  headers_sealed TEXT NOT NULL,
  proxy_sealed TEXT NOT NULL,
  client_key_sealed TEXT NOT NULL,
  created_epoch_s REAL NOT NULL,
  updated_epoch_s REAL NOT NULL,
  UNIQUE (provider, label)
) STRICT, WITHOUT ROWID;

-- The ledger: one row per attempt, in the words of domain.AttemptRecord. No foreign keys: a row outlives its key and its
-- connection, and a bill must not depend on either.
CREATE TABLE attempts (
  attempt_id TEXT PRIMARY KEY,
  request_id TEXT NOT NULL,
  key_id TEXT NOT NULL,
  provider TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  model TEXT NOT NULL,
  requested_model TEXT NOT NULL,
  started_epoch_s REAL NOT NULL,
  attempt INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  status INTEGER NOT NULL,
  error_class TEXT NOT NULL,
  usage_known INTEGER NOT NULL CHECK (usage_known IN (0, 1)),
  input_total INTEGER NOT NULL,
  cache_read INTEGER NOT NULL,
  cache_write_5m INTEGER NOT NULL,
  cache_write_1h INTEGER NOT NULL,
  output_total INTEGER NOT NULL,
  reasoning INTEGER NOT NULL,
  audio_in INTEGER NOT NULL,
  audio_out INTEGER NOT NULL,
  connect_ms INTEGER NOT NULL,
  head_ms INTEGER NOT NULL,
  first_token_ms INTEGER NOT NULL,
  total_ms INTEGER NOT NULL,
  bytes_in INTEGER NOT NULL,
  bytes_out INTEGER NOT NULL,
  streamed INTEGER NOT NULL CHECK (streamed IN (0, 1)),
  epoch INTEGER NOT NULL
) STRICT;

CREATE INDEX attempts_by_time ON attempts (started_epoch_s, attempt_id);
CREATE INDEX attempts_by_key ON attempts (key_id, started_epoch_s);
CREATE INDEX attempts_by_connection ON attempts (connection_id, started_epoch_s);
CREATE INDEX attempts_by_request ON attempts (request_id);

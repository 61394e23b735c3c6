-- Responses that clients may refer to (previous_response_id) or fetch. The text is sealed by the vault.
CREATE TABLE responses (
  response_id TEXT PRIMARY KEY,
  key_id TEXT NOT NULL,
  created_epoch_s REAL NOT NULL,
  previous_response_id TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  sealed TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX responses_by_age ON responses (created_epoch_s);

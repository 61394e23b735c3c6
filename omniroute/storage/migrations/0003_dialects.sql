-- Upstreams of several dialects. quirks: what the operator says differently from the provider's preset, as a JSON object
-- in the words of domain.Quirks. losses: what a translation between dialects could not carry;
-- client_dialect and dialect (the upstream's): between which.

ALTER TABLE connections ADD COLUMN quirks TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(quirks));
ALTER TABLE attempts ADD COLUMN losses TEXT NOT NULL DEFAULT '';
ALTER TABLE attempts ADD COLUMN client_dialect TEXT NOT NULL DEFAULT '';
ALTER TABLE attempts ADD COLUMN dialect TEXT NOT NULL DEFAULT '';

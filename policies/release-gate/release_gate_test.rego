package sluice.release_gate_test

import data.sluice.release_gate

clean := {
	"environment": "dev",
	"evaluatedAt": "2026-11-21T12:00:00Z",
	"release": {"digest": "sha256:a", "components": [{"name": "web"}]},
	"findings": {"secrets": [], "misconfigurations": []},
	"sbom": {"digest": "sha256:b", "components": 0},
}

secret := {"component": "web", "rule": "private-key", "title": "Private key", "path": "/k", "startLine": 3}

misconfiguration(severity) := {
	"component": "web",
	"rule": "DS002",
	"title": "Runs as root",
	"severity": severity,
	"path": "/Dockerfile",
	"remedy": "Name a user.",
	"startLine": null,
}

with_secrets(list) := object.union(clean, {"findings": {"secrets": list}})

with_misconfigurations(list) := object.union(clean, {"findings": {"misconfigurations": list}})

test_clean_is_allowed if {
	release_gate.verdict.decision == "allow" with input as clean
	release_gate.verdict.reasonCodes == set() with input as clean
	rules := {entry.rule | some entry in release_gate.verdict.trace} with input as clean
	rules == {"secret-in-image", "misconfiguration", "sbom"}
}

test_secret_is_denied if {
	release_gate.verdict.decision == "deny" with input as with_secrets([secret])
	release_gate.verdict.reasonCodes == {"secret-found"} with input as with_secrets([secret])
}

test_secret_of_unknown_form_is_denied if {
	release_gate.verdict.decision == "deny" with input as with_secrets(["?"])
	release_gate.verdict.decision == "deny" with input as with_secrets([null])
}

test_severities if {
	every severity in ["HIGH", "CRITICAL", "UNKNOWN", "", null, 3] {
		release_gate.verdict.reasonCodes == {"misconfiguration-found"} with input as with_misconfigurations([misconfiguration(severity)])
	}
	every severity in ["LOW", "MEDIUM"] {
		release_gate.verdict.decision == "allow" with input as with_misconfigurations([misconfiguration(severity)])
	}
}

test_low_is_traced if {
	entries := [entry |
		some entry in release_gate.verdict.trace
		entry.rule == "misconfiguration"
	] with input as with_misconfigurations([misconfiguration("LOW")])
	[entry.result | some entry in entries] == ["allow"]
	entries[0].finding == "LOW DS002 in /Dockerfile of component web: Runs as root."
}

test_each_missing_input_is_denied if {
	every name in object.keys(clean) {
		without := object.remove(clean, [name])
		release_gate.verdict.decision == "deny" with input as without
		release_gate.verdict.reasonCodes == {concat("", ["input-missing:", name])} with input as without
	}
}

test_nothing_else_is_looked_at_when_an_input_is_missing if {
	without := object.remove(with_secrets([secret]), ["sbom"])
	release_gate.verdict.reasonCodes == {"input-missing:sbom"} with input as without
}

test_no_input_is_denied if {
	release_gate.verdict.decision == "deny" with input as {}
	release_gate.verdict.decision == "deny" with input as null
}

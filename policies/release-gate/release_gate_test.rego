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

store_path := {"name": "app", "kind": "nix", "digest": "sha256:c", "version": "1"}

closure := {"component": "app", "digest": "sha256:c", "closure": "sha256:d"}

built := {
	"environment": "dev",
	"evaluatedAt": "2026-11-21T12:00:00Z",
	"release": {"digest": "sha256:a", "components": [store_path]},
	"closures": [closure],
}

with_closures(list) := object.union(object.remove(built, ["closures"]), {"closures": list})

test_held_closure_is_allowed if {
	release_gate.verdict.decision == "allow" with input as built
	[entry.rule | some entry in release_gate.verdict.trace] == ["closure"] with input as built
}

test_closures_are_required_of_store_paths if {
	without := object.remove(built, ["closures"])
	release_gate.verdict.reasonCodes == {"input-missing:closures"} with input as without
}

test_closure_that_is_not_held_is_denied if {
	every list in [
		[],
		[object.union(closure, {"digest": "sha256:x"})],
		[object.union(closure, {"component": "other"})],
		[object.remove(closure, ["closure"])],
		[null],
	] {
		release_gate.verdict.decision == "deny" with input as with_closures(list)
		release_gate.verdict.reasonCodes == {"closure-missing"} with input as with_closures(list)
	}
}

test_image_beside_a_store_path_needs_its_scan if {
	image := {"name": "web", "kind": "oci", "digest": "sha256:e", "version": "1"}
	mixed := object.union(built, {"release": {"digest": "sha256:a", "components": [store_path, image]}})
	release_gate.verdict.reasonCodes == {"input-missing:findings", "input-missing:sbom"} with input as mixed
}

test_component_of_no_known_kind_needs_a_scan if {
	odd := object.union(built, {"release": {"digest": "sha256:a", "components": [{"name": "x"}]}})
	release_gate.verdict.reasonCodes == {"input-missing:findings", "input-missing:sbom"} with input as odd
}

test_findings_are_judged_also_of_store_paths if {
	found := object.union(built, {"findings": {"secrets": [secret], "misconfigurations": []}})
	release_gate.verdict.reasonCodes == {"secret-found"} with input as found
}

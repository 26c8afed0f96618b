# METADATA
# title: Release gate
# description: |
#   Decides whether a scanned or built release may be deployed. The verdict is a function of the input alone:
#   no clock, no network, no randomness (capabilities.json allows none of them). What is missing or
#   not understood is denied. `source` names the line on which the rule stands; a test keeps it right.
package sluice.release_gate

verdict := {
	"decision": decision,
	"reasonCodes": reason_codes,
	"trace": trace,
}

default decision := "deny"

decision := "allow" if count(reason_codes) == 0

# --- required-input: what a decision needs; without one of them nothing else is looked at.

required contains name if some name in base

reason_codes contains concat("", ["input-missing:", name]) if some name in missing

missing contains name if {
	some name in required
	not present(name)
}

present(name) if {
	name in {"environment", "evaluatedAt"}
	is_string(input[name])
	input[name] != ""
}

present("findings") if {
	is_array(input.findings.secrets)
	is_array(input.findings.misconfigurations)
}

present("release") if {
	is_string(input.release.digest)
	count(input.release.components) > 0
}

# An SBOM that lists nothing is evidence too: an image may hold no packages.
present("sbom") if is_string(input.sbom.digest)

trace contains {
	"rule": "required-input",
	"source": "release_gate.rego:49",
	"result": "deny",
	"finding": concat("", ["The input ", name, " is missing or not understood."]),
	"remedy": "Run the scan again and promote again: a gate never decides without its evidence.",
} if {
	some name in missing
}

# --- secret-in-image: a secret in any layer is denied, whatever its severity.

reason_codes contains "secret-found" if {
	count(missing) == 0
	count(input.findings.secrets) > 0
}

trace contains {
	"rule": "secret-in-image",
	"source": "release_gate.rego:66",
	"result": "deny",
	"finding": concat("", ["Secret ", label(secret, "rule"), " in ", place(secret), ": ", label(secret, "title"), "."]),
	"remedy": concat("", ["Remove ", label(secret, "path"), " from every layer, replace the secret (take it as known), and release a new version."]),
} if {
	count(missing) == 0
	some secret in input.findings.secrets
}

trace contains {
	"rule": "secret-in-image",
	"source": "release_gate.rego:77",
	"result": "allow",
	"finding": "No secret was found in the layers.",
	"remedy": "",
} if {
	count(missing) == 0
	count(input.findings.secrets) == 0
}

# --- misconfiguration: LOW and MEDIUM are traced; anything else is denied, unknown severities too.

tolerated(misconfiguration) if misconfiguration.severity in {"LOW", "MEDIUM"}

reason_codes contains "misconfiguration-found" if {
	count(missing) == 0
	some misconfiguration in input.findings.misconfigurations
	not tolerated(misconfiguration)
}

trace contains {
	"rule": "misconfiguration",
	"source": "release_gate.rego:98",
	"result": result,
	"finding": concat("", [label(misconfiguration, "severity"), " ", label(misconfiguration, "rule"), " in ", place(misconfiguration), ": ", label(misconfiguration, "title"), "."]),
	"remedy": advice(misconfiguration),
} if {
	count(missing) == 0
	some misconfiguration in input.findings.misconfigurations
	result := {true: "allow", false: "deny"}[is_tolerated(misconfiguration)]
}

trace contains {
	"rule": "misconfiguration",
	"source": "release_gate.rego:110",
	"result": "allow",
	"finding": "No misconfiguration was found.",
	"remedy": "",
} if {
	count(missing) == 0
	count(input.findings.misconfigurations) == 0
}

# --- sbom: what the release consists of, for the reader of the decision.

trace contains {
	"rule": "sbom",
	"source": "release_gate.rego:123",
	"result": "allow",
	"finding": concat("", ["The SBOM is ", input.sbom.digest, "."]),
	"remedy": "",
} if {
	count(missing) == 0
}

# Texts never decide: where a field is not there, "unknown" stands in the sentence.

default is_tolerated(_) := false

is_tolerated(misconfiguration) if tolerated(misconfiguration)

label(finding, name) := finding[name] if {
	is_string(finding[name])
} else := "unknown"

place(finding) := concat("", [label(finding, "path"), line(finding), " of component ", label(finding, "component")])

line(finding) := concat("", [" line ", format_int(finding.startLine, 10)]) if {
	is_number(finding.startLine)
} else := ""

advice(misconfiguration) := misconfiguration.remedy if {
	is_string(misconfiguration.remedy)
	misconfiguration.remedy != ""
} else := "Correct the configuration, and release a new version."

# --- evidence: images are judged by their scan, store paths by the closure that the records hold of them. What is neither
# is judged as an image: without findings it is denied.

base := {"environment", "evaluatedAt", "release"}

base_complete if {
	every name in base {
		present(name)
	}
}

only_nix if {
	every component in input.release.components {
		component.kind == "nix"
	}
}

nix_components contains component if {
	some component in input.release.components
	component.kind == "nix"
}

required contains name if {
	base_complete
	not only_nix
	some name in {"findings", "sbom"}
}

required contains "closures" if {
	base_complete
	count(nix_components) > 0
}

present("closures") if is_array(input.closures)

# --- closure: of each store path the closure must be held, by the digest that the release names.

held(component) := closure.closure if {
	some closure in input.closures
	closure.component == component.name
	closure.digest == component.digest
	is_string(closure.closure)
}

reason_codes contains "closure-missing" if {
	count(missing) == 0
	some component in nix_components
	not held(component)
}

trace contains {
	"rule": "closure",
	"source": "release_gate.rego:204",
	"result": "deny",
	"finding": concat("", ["No closure is held of component ", label(component, "name"), "."]),
	"remedy": "Build it again with build@1, and make a release of what that gives.",
} if {
	count(missing) == 0
	some component in nix_components
	not held(component)
}

trace contains {
	"rule": "closure",
	"source": "release_gate.rego:216",
	"result": "allow",
	"finding": concat("", ["The closure of component ", label(component, "name"), " is ", held(component), "."]),
	"remedy": "",
} if {
	count(missing) == 0
	some component in nix_components
}

package sshconn

import (
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// An algorithmSet is what the library has of one kind of algorithm.
type algorithmSet struct {
	keyword  string
	secure   []string // what is offered by default, best first
	insecure []string // what a user may ask for by name
	leader   string   // what opens ssh's own default list, for the kinds whose order counts
}

func algorithmSets() []algorithmSet {
	good, bad := ssh.SupportedAlgorithms(), ssh.InsecureAlgorithms()
	return []algorithmSet{
		{"ciphers", ciphers(), bad.Ciphers, ssh.CipherChaCha20Poly1305},
		{"kexalgorithms", good.KeyExchanges, bad.KeyExchanges, ssh.KeyExchangeCurve25519},
		{"macs", good.MACs, bad.MACs, ssh.HMACSHA256ETM},
		{"hostkeyalgorithms", good.HostKeys, bad.HostKeys, ""},
		{
			"pubkeyacceptedalgorithms", slices.Concat(good.PublicKeyAuths, certAlgorithms(), []string{ssh.CertAlgoSKED25519v01, ssh.CertAlgoSKECDSA256v01}),
			append(bad.PublicKeyAuths, ssh.CertAlgoRSAv01), "",
		},
	}
}

// algorithms sets the lists of algorithms. Where nothing is left of a list, only the ssh program can connect.
func (r *Resolved) algorithms(s *settings) {
	lists := []*[]string{&r.Ciphers, &r.KexAlgorithms, &r.MACs, &r.HostKeyAlgorithms, &r.PubkeyAlgorithms}
	for i, set := range algorithmSets() {
		setting := s.first(set.keyword)
		if setting == "" {
			continue
		}
		var ok bool
		if s.dumped {
			*lists[i], ok = set.dumped(strings.Split(setting, ","))
		} else {
			*lists[i], ok = set.written(setting)
		}
		if !ok {
			r.needs = append(r.needs, set.keyword+" "+safeText(setting)+" is not in the library")
		}
	}
}

// written reads a list as it stands in ssh_config: names that replace the default, or after a plus sign follow it, after
// a minus sign (with wildcards) are taken away, after a caret go to the front. What the library does not have is left
// out; ok is false if nothing remains.
func (a *algorithmSet) written(setting string) (list []string, ok bool) {
	names := strings.Split(strings.TrimLeft(setting, "+-^"), ",")
	switch setting[0] {
	case '+':
		list = a.known(slices.Concat(a.secure, names))
	case '^':
		list = a.known(slices.Concat(names, a.secure))
	case '-':
		list = slices.DeleteFunc(slices.Clone(a.secure), func(n string) bool {
			return slices.ContainsFunc(names, func(p string) bool { return matchPattern(n, p) })
		})
	default:
		list = a.known(names)
	}
	return list, len(list) > 0
}

// dumped reads a list of ssh -G, which holds ssh's own default or what was made of it. The default gives way to the
// library's: nil where nothing else was asked for.
func (a *algorithmSet) dumped(names []string) (list []string, ok bool) {
	list = a.known(names)
	for _, n := range a.secure {
		if !slices.Contains(list, n) && !newAlgorithm(n) {
			return list, len(list) > 0 // chosen by the user
		}
	}
	front := list[:max(0, slices.Index(list, a.leader))]
	var more []string
	for _, n := range list[len(front):] {
		if !slices.Contains(a.secure, n) {
			more = append(more, n)
		}
	}
	if front = slices.DeleteFunc(slices.Clone(front), newAlgorithm); len(front)+len(more) == 0 {
		return nil, true
	}
	return a.known(slices.Concat(front, a.secure, more)), true
}

// newAlgorithm reports whether versions of ssh that are in use do not know the algorithm, so that its absence from a
// list says nothing.
func newAlgorithm(name string) bool {
	return strings.HasPrefix(name, "mlkem") || strings.Contains(name, "mldsa")
}

// known keeps the names the library has, each once.
func (a *algorithmSet) known(names []string) []string {
	var out []string
	for _, n := range names {
		if !slices.Contains(out, n) && (slices.Contains(a.secure, n) || slices.Contains(a.insecure, n)) {
			out = append(out, n)
		}
	}
	return out
}

// ciphers is the library's list with the cheapest in front.
func ciphers() []string {
	all := ssh.SupportedAlgorithms().Ciphers
	i := slices.Index(all, fastCipher)
	if i <= 0 {
		return all
	}
	return slices.Concat(all[i:i+1], all[:i], all[i+1:])
}

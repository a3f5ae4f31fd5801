package profile

// names is what ISO 8583:1987 calls the elements that dialects here have; the
// private ones, 48 and 60 to 63, as UnionPay uses them.
var names = map[int]string{
	2: "primary account number", 3: "processing code", 4: "amount", 7: "transmission date and time",
	11: "STAN", 12: "local time", 13: "local date", 14: "expiry", 15: "settlement date", 18: "merchant type",
	22: "entry mode", 23: "card sequence number", 24: "function code", 25: "condition code", 26: "PIN capture code",
	32: "acquirer", 33: "forwarding institution", 35: "track 2", 36: "track 3", 37: "RRN", 38: "authorisation code",
	39: "response code", 41: "terminal", 42: "merchant", 43: "merchant name and place", 44: "additional response data",
	45: "track 1", 48: "private: totals, upload", 49: "currency", 52: "PIN block", 53: "security control", 54: "additional amounts",
	55: "chip data", 60: "private: type, batch, network code", 61: "private: original", 62: "private: keys",
	63: "private: operator", 64: "MAC", 66: "settlement code", 70: "network management code",
	74: "credits, number", 75: "credits, reversed, number", 76: "debits, number", 77: "debits, reversed, number",
	86: "credits, amount", 87: "credits, reversed, amount", 88: "debits, amount", 89: "debits, reversed, amount",
	90: "original data elements", 95: "replacement amounts", 97: "net settlement amount", 100: "receiving institution",
	102: "account 1", 103: "account 2", 128: "MAC",
}

// ElementName is what data element de is called, or "" where it has no name
// here.
func ElementName(de int) string { return names[de] }

package txn

// What a loss of journal entries means. An entry that is gone may have said that
// a sale was confirmed, or that its reversal was done: whatever is open cannot
// be believed any more, so nothing of it is sent and no timer decides it. A
// person asks the acquirer.

// Doubt gives the records that put every open transaction in front of a person
// and stop its messages, and applies them. One that is parked already is passed
// over. It is for a start on a journal that lost entries.
func (m *Machine) Doubt(wall int64, who, why string) []Record {
	s := &step{m: m, now: Time{Wall: wall}}
	for _, uuid := range m.Open() {
		if t := m.hot[uuid]; t.State.Open() && !t.Parked {
			s.record(uuid, &Resolved{Verb: VerbPark, Who: who, Why: why})
			s.escalate(t, CauseParked)
		}
	}
	return s.ready.Records
}

// Renew gives the record that begins a new epoch, later than any before, and
// applies it: no UUID of an older one is run again.
func (m *Machine) Renew(wall int64) []Record {
	s := &step{m: m, now: Time{Wall: wall}}
	s.record(groupEpoch, &Epoch{Number: max(m.epoch+1, uint64(max(wall/1000, 1)))})
	return s.ready.Records
}

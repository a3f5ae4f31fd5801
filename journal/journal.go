// Package journal is the durable log under the agent: an append-only sequence
// of typed entries, grouped, looked up by key, with a part that is sealed
// (encrypted) before it touches the disk. It knows no transactions.
//
// What a caller may rely on after a crash is said at each method. The bytes
// are described in FORMAT.md.
package journal

import "errors"

// LSN is the position of an entry: 1 for the first, then one more each.
type LSN uint64

// Class says what space an entry may use.
type Class uint8

// The classes there are. When space runs short, intents are refused first, so
// that what has been begun can always be ended.
const (
	ClassIntent  Class = 1 // begins something: may be refused for want of space
	ClassOutcome Class = 2 // ends or continues something: has the reserve
)

// String names the class.
func (c Class) String() string {
	switch c {
	case ClassIntent:
		return "intent"
	case ClassOutcome:
		return "outcome"
	default:
		return "unknown class"
	}
}

// Entry is what a caller gives to Append.
type Entry struct {
	Type   uint16   // the caller's record type, never 0
	Group  string   // what the entry belongs to: the transaction's UUID; never empty
	Keys   []string // more names under which Lookup finds the group; never card data
	Class  Class
	KeyID  uint32 // the data key for Sealed; ignored where Sealed is empty
	Clear  []byte // stored as it is
	Sealed []byte // given in plain; stored under AES-256-GCM, bound to the rest of the entry
}

// The limits of an entry. Append refuses what is beyond them.
const (
	MaxName  = 255     // bytes of Group and of each key; neither holds a zero byte
	MaxKeys  = 32      // keys of one entry
	MaxEntry = 1 << 20 // bytes of Clear and Sealed together
)

// Record is what Scan and Lookup give back. Its slices are the caller's own;
// an empty one is nil.
type Record struct {
	LSN    LSN
	Type   uint16
	Group  string
	Keys   []string
	Class  Class
	KeyID  uint32
	Clear  []byte
	Sealed []byte // ciphertext, for Unseal; empty where nothing was sealed

	origin origin
}

// The errors that callers branch on. They come wrapped, with the position or
// the path.
var (
	// ErrLocked: another process has this journal open. Nothing was changed.
	ErrLocked = errors.New("journal is in use by another process")
	// ErrDamaged: an entry does not decode or does not verify. The journal is
	// not opened; nothing was changed or cut.
	ErrDamaged = errors.New("journal is damaged")
	// ErrWrongKey: the sealing key is not the one this journal was made with.
	ErrWrongKey = errors.New("journal was sealed with another key")
	// ErrNoSpace: Reserve found too little room. Nothing was changed.
	ErrNoSpace = errors.New("journal has no room for a new transaction")
	// ErrFailed: an earlier write or sync failed. The journal takes nothing
	// more; what it acknowledged before is safe. Exit and recover.
	ErrFailed = errors.New("journal has failed and takes nothing more")
	// ErrNewer: made by a newer version of this program. Nothing was changed.
	ErrNewer = errors.New("journal was made by a newer version")
	// ErrNotSealed: Unseal was asked for an entry that has no sealed part.
	ErrNotSealed = errors.New("journal entry has no sealed part")
	// ErrNoKey: sealing, unsealing and hashing need the key, and the journal
	// was opened without one.
	ErrNoKey = errors.New("journal was opened without its key")
	// ErrReadOnly: Append on a journal that was opened for reading.
	ErrReadOnly = errors.New("journal was opened for reading only")
	// ErrKeyDestroyed: the data key of a sealed part was destroyed, as it must
	// be some time after settlement. Everything else of the entry is there.
	ErrKeyDestroyed = errors.New("the key of this entry's sealed part was destroyed")
	// ErrQuarantined: Reserve refuses intents, since recovery found damage that
	// no power cut explains. What was kept of it waits for accept-loss.
	ErrQuarantined = errors.New("journal is in quarantine: its last entries were damaged, and a person must accept the loss")
	// ErrClosed: the journal was used after Close.
	ErrClosed = errors.New("journal is closed")
)

// Journal is a durable log. All methods are safe for use by several
// goroutines; appends are put in order by the journal.
type Journal interface {
	// Append writes the entries as one batch and returns the LSN of the first.
	//
	// When it returns nil, all of them are on stable storage and every later
	// open finds them, in this order, without gaps. When it returns an error,
	// or the process dies inside, a later open finds either the whole batch
	// or nothing of it; which of the two is not known, so the caller must
	// exit and recover: from the first error on, every Append returns
	// ErrFailed. An entry that is beyond the limits is such an error too. An
	// empty batch writes nothing and returns 0.
	Append(batch []Entry) (LSN, error)

	// Reserve says whether a batch of about this many bytes may be started.
	// It is asked before a decision is made, since afterwards it is too late
	// to refuse. ErrNoSpace for ClassIntent does not mean that an outcome
	// would be refused: those have a reserve of their own. It holds nothing
	// back for the caller: two calls may be told of the same room.
	Reserve(c Class, bytes int) error

	// Recover gives what is needed to know all that is open: the newest carry,
	// its extra entries last, and every entry behind it, in order. A carried
	// entry has its LSN; an extra one that of the entry before its carry. Before
	// the first carry it is the whole log. It reads the log alone, never the
	// index, and stops at the first error, which it returns.
	Recover(fn func(Record) error) error

	// SetCarry names the function that says what a new segment begins with.
	// It is called inside Append, before the entries of that call are written:
	// it must describe exactly the state of all entries that were acknowledged,
	// and it may call nothing that appends. Recovery begins at the newest
	// segment, so what the function does not name is forgotten, though Scan and
	// Lookup still find it. Without it nothing is carried and nothing retires.
	SetCarry(fn func() Carry)

	// Scan calls fn for each entry with LSN ≥ from that has not retired, in
	// order, and stops at the first error, which it returns. It sees what was
	// durable when it began. fn may call any other method.
	Scan(from LSN, fn func(Record) error) error

	// Lookup returns every entry of every group that key names, in LSN order:
	// key is a group or one of the Keys of an entry. Nothing found is no
	// error. It sees all that Append has acknowledged before the call. A group
	// retires as a whole: it is found entirely or not at all.
	Lookup(key string) ([]Record, error)

	// Retired says whether a group was here and is past its time: only then
	// does nothing found mean something else than never journaled. It is true
	// for a second, longer period, and then forgotten.
	Retired(group string) (RetiredGroup, bool, error)

	// Unseal gives the plain text of a record's sealed part, or ErrNotSealed,
	// ErrNoKey, ErrKeyDestroyed, or ErrDamaged where it does not authenticate.
	// The plain text is never part of an error.
	Unseal(r Record) ([]byte, error)

	// DestroyKey destroys a data key, for good: what was sealed under it is
	// noise from then on, and history still verifies and lists. When it returns
	// nil no later open finds the key. Appending under it fails.
	DestroyKey(keyID uint32) error

	// MakeKey makes a data key, durably, where there is none yet, so that an Append
	// under it needs no space of its own. ErrNoSpace where the disk is full: nothing
	// was changed that a later MakeKey minds. ErrKeyDestroyed where it was.
	MakeKey(keyID uint32) error

	// LastKey is the highest id of a data key that was ever made here, destroyed
	// ones too; 0 where there was none.
	LastKey() (uint32, error)

	// KeyedHash is a name for data that must not be stored, such as a PAN: 32
	// hexadecimal digits, the same for the same label, data and sealing key,
	// in this journal and in any other, and of no use to who lacks the key.
	// The label keeps uses apart. ErrNoKey without the key.
	KeyedHash(label string, data []byte) (string, error)

	// Last is the LSN of the newest durable entry, 0 in an empty journal.
	Last() LSN

	// Close ends the journal. What was acknowledged stays. Closing twice is
	// harmless.
	Close() error
}

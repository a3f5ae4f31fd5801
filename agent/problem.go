package agent

import (
	"encoding/json"
	"net/http"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
)

// problem is one entry of the registry: what a code is to a program.
type problem struct {
	status int
	retry  client.Retry
	title  string
}

// Codes that the API itself gives, beside the core's.
const (
	codeBadRequest   txn.Code = "bad_request"
	codeBodyTooLarge txn.Code = "body_too_large"
	codeUnknownField txn.Code = "unknown_field"
	codeBadField     txn.Code = "bad_field"
	codeBadUUID      txn.Code = "bad_uuid"
	codeNoRoute      txn.Code = "no_such_path"
	codeNotAllowed   txn.Code = "method_not_allowed"
	codeForbidden    txn.Code = "operators_only"
	codeStopping     txn.Code = "stopping"
	codeTimedOut     txn.Code = "no_answer_in_time"

	codeNoBatch txn.Code = "no_such_batch"

	codeHandleUnsupported txn.Code = "handle_unsupported"
	codeCardGone          txn.Code = "card_gone"
)

// problems is the registry of what can go wrong: the only place where a code
// gets its status, its advice to programs and its title.
var problems = map[txn.Code]problem{
	codeBadRequest:   {http.StatusBadRequest, client.RetryNewID, "the body is not JSON of the expected form"},
	codeBodyTooLarge: {http.StatusRequestEntityTooLarge, client.RetryNewID, "the body is too large"},
	codeUnknownField: {http.StatusBadRequest, client.RetryNewID, "the body has a field that is not known"},
	codeBadField:     {http.StatusUnprocessableEntity, client.RetryNewID, "a field has a value that cannot be taken"},
	codeBadUUID:      {http.StatusBadRequest, client.RetryNewID, "the path has no UUID of the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"},
	codeNoRoute:      {http.StatusNotFound, client.RetryNever, "there is no such path"},
	codeNotAllowed:   {http.StatusMethodNotAllowed, client.RetryNever, "the path does not take this method"},
	codeForbidden:    {http.StatusForbidden, client.RetryNever, "only operators may do this"},
	codeStopping:     {http.StatusServiceUnavailable, client.RetrySameID, "the agent is stopping: ask again when it is back"},
	codeTimedOut:     {http.StatusGatewayTimeout, client.RetrySameID, "the agent did not answer in time: what became of it is not known yet"},
	codeOverloaded:   {http.StatusServiceUnavailable, client.RetrySameID, "too much is under way: nothing was done"},
	codeJournalFull:  {http.StatusServiceUnavailable, client.RetrySameID, "the journal has no room for a new transaction: nothing was begun"},
	codeQuarantine:   {http.StatusServiceUnavailable, client.RetryPoll, "the journal lost entries, and a person must accept the loss before a new transaction is taken: nothing was begun"},
	codeRetired:      {http.StatusGone, client.RetryNever, "this transaction was here and is past the time for which entries are kept: it never runs again"},

	codeMarkBehind: {http.StatusServiceUnavailable, client.RetrySameID, "the journal's mark cannot be written, and numbering is as far ahead of it as may be: nothing was begun"},

	txn.Quarantined:     {http.StatusServiceUnavailable, client.RetryPoll, "journal entries were lost, and this acquirer cannot be shown that an epoch began: a person must close the loss first"},
	txn.OriginalInDoubt: {http.StatusConflict, client.RetryNever, "journal entries were lost, and the original may have been voided or given back already: a person must ask the acquirer"},
	codeLeaseHeld:       {http.StatusConflict, client.RetryNever, "the session's lease is held already"},

	txn.UnknownSession:       {http.StatusGone, client.RetrySameID, "there is no such session, or it is over: begin one and ask again under it"},
	txn.SessionUnfit:         {http.StatusConflict, client.RetrySameID, "the session does not hold this terminal: begin one that does and ask again under it"},
	txn.SessionRequired:      {http.StatusConflict, client.RetrySameID, "this terminal commits with the approval: only under a session, whose lease says that somebody is there to show it"},
	txn.ConfirmationRequired: {http.StatusConflict, client.RetryNewID, "this terminal commits with the approval: a card in its reader, or a partial approval, needs an application that confirms"},
	txn.SuspectedDuplicate:   {http.StatusConflict, client.RetryNewID, "the same card, amount and terminal as a transaction whose outcome is undecided or was never shown: look at that one; if this is another purchase, say so with not_duplicate_of"},
	txn.ReplacedUnknown:      {http.StatusUnprocessableEntity, client.RetryNewID, "there is no such attempt to replace"},
	txn.ReplacedUnfit:        {http.StatusUnprocessableEntity, client.RetryNewID, "what is to be replaced is no attempt at this part of this sale"},

	txn.SignOnRequired: {http.StatusServiceUnavailable, client.RetrySameID, "the terminal has no working keys, or the acquirer holds others: it signs on by itself, or by POST /v1/terminals/{tid}/sign-on; nothing was begun"},
	txn.TerminalBusy:   {http.StatusConflict, client.RetryPoll, "something of the terminal is open and needs its keys"},
	txn.SigningOn:      {http.StatusServiceUnavailable, client.RetrySameID, "the terminal is signing on: nothing was begun"},

	txn.UUIDReused:      {http.StatusConflict, client.RetryNewID, "this UUID belongs to a transaction with another body"},
	txn.EpochOld:        {http.StatusGone, client.RetryNever, "the UUID was minted in another epoch of the journal: it may have run then, so it never runs again"},
	txn.UnknownTerminal: {http.StatusUnprocessableEntity, client.RetryNewID, "this agent has no such terminal"},
	txn.Invalid:         {http.StatusUnprocessableEntity, client.RetryNewID, "a value cannot be taken"},
	txn.SaleOpen:        {http.StatusConflict, client.RetryPoll, "an earlier attempt at this part of the sale is still open"},
	txn.SalePaid:        {http.StatusConflict, client.RetryNever, "this part of the sale is paid"},
	txn.ReversalOwed:    {http.StatusConflict, client.RetrySameID, "the terminal owes reversals and may not sell"},
	txn.STANExhausted:   {http.StatusServiceUnavailable, client.RetrySameID, "the terminal has used every trace number within two days"},
	txn.AdviceQueueFull: {http.StatusServiceUnavailable, client.RetrySameID, "the terminal owes as many advices as it may: hand over nothing"},
	txn.OriginalOwed:    {http.StatusConflict, client.RetryPoll, "the original is an advice that the acquirer does not have yet"},
	txn.Unsupported:     {http.StatusUnprocessableEntity, client.RetryNever, "the acquirer's dialect has no such type"},
	txn.OriginalUnknown: {http.StatusUnprocessableEntity, client.RetryNewID, "there is no such original"},
	txn.OriginalUnfit:   {http.StatusUnprocessableEntity, client.RetryNewID, "the original is of a type, merchant or currency that this cannot follow"},
	txn.OriginalOpen:    {http.StatusConflict, client.RetryPoll, "the original is not confirmed"},
	txn.OriginalBusy:    {http.StatusConflict, client.RetryPoll, "another that follows the original is undecided"},
	txn.OriginalUsed:    {http.StatusConflict, client.RetryNever, "the original is voided, given back or completed already"},
	txn.AboveOriginal:   {http.StatusConflict, client.RetryNewID, "that is more than is left of the original"},
	codeNoBatch:         {http.StatusNotFound, client.RetryNever, "the terminal has no such batch, or it is long settled"},
	txn.OriginalSettled: {http.StatusConflict, client.RetryNever, "the original's batch is settled: refund it instead"},
	txn.Settling:        {http.StatusConflict, client.RetrySameID, "the terminal's batch is being settled: nothing was begun"},
	txn.BatchFull:       {http.StatusConflict, client.RetrySameID, "the terminal's batch is full: settle it first"},
	txn.OtherCard:       {http.StatusUnprocessableEntity, client.RetryNewID, "the original was paid with another card"},
	txn.NotFound:        {http.StatusNotFound, client.RetrySameID, "never journaled in this epoch: safe to send"},
	txn.NotDecided:      {http.StatusConflict, client.RetryPoll, "the host has not answered yet"},
	txn.NotApproved:     {http.StatusConflict, client.RetryNever, "there is no approval to confirm"},
	txn.BeingReversed:   {http.StatusConflict, client.RetryNever, "too late: the transaction is being reversed"},
	txn.Committed:       {http.StatusConflict, client.RetryNever, "the transaction is confirmed: void it instead"},
	txn.TakenAsCancel:   {http.StatusConflict, client.RetryNever, "the card declined: this was taken as a cancel, and the transaction is being reversed"},

	txn.ChipVerdictMissing: {http.StatusConflict, client.RetryPoll, "a chip is in the reader: confirm with what its second GENERATE AC gave, or cancel"},
	txn.ChipUnexpected:     {http.StatusConflict, client.RetryPoll, "no chip was read for this transaction: confirm without a verdict, if it is the one that is meant"},
	txn.AmountNotAgreed:    {http.StatusConflict, client.RetryPoll, "this is not the amount that was approved: confirm with approved_amount once the customer agreed to it, or cancel"},
	codeHandleUnsupported:  {http.StatusUnprocessableEntity, client.RetryNewID, "the acquirer's dialect cannot carry this card handle"},

	codeCardGone: {http.StatusConflict, client.RetryNewID, "the original's batch was settled and the key of its card data destroyed: present the card again"},

	txn.NotConfirmed: {http.StatusConflict, client.RetryPoll, "nothing may have been shown: the transaction is not final"},
	txn.Unsuitable:   {http.StatusConflict, client.RetryNever, "the transaction's state does not allow this"},
	txn.ParkFirst:    {http.StatusConflict, client.RetrySameID, "reversals are still being sent: park it first"},
	txn.TooEarly:     {http.StatusConflict, client.RetryPoll, "what was sent may still reach the host: wait for a message's longest lifetime"},
}

func (c problem) make(code txn.Code) *client.Problem {
	return &client.Problem{Type: "about:blank", Title: c.title, Status: c.status, Code: string(code), Retry: c.retry}
}

// newProblem makes the problem of a registered code.
func newProblem(code txn.Code) *client.Problem {
	p, ok := problems[code]
	if !ok {
		p = problem{http.StatusInternalServerError, client.RetryPoll, "unregistered code"}
	}
	return p.make(code)
}

func writeProblem(w http.ResponseWriter, p *client.Problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client may be gone; it will ask again
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // as above
}

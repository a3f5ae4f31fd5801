package txn

// Input is an event as one transaction sees it: a column of the state table.
type Input uint8

// The inputs there are.
const (
	RequestSent Input = iota
	RequestUnsent
	RequestInDoubt
	AnswerApproved
	AnswerPartial
	AnswerDeclined
	AnswerIndeterminate
	AnswerDuplicate
	AnswerUnbelievable
	AnswerUnproved
	AnswerUnprovedNo
	AttemptSent
	AttemptUnsent
	AttemptInDoubt
	ReversalAnswered
	InquirySent
	InquiryUnsent
	InquiryInDoubt
	InquiryApproved
	InquiryDeclined
	InquiryOpen
	AdviceSent
	AdviceUnsent
	AdviceInDoubt
	AdviceAnswered
	TimeUp
	AskConfirm
	AskCancel
	AskShown
	AskResolve
	Restart
	SessionLost
	SessionTaken
	inputs
)

var inputNames = [inputs]string{
	"request sent", "request certainly not sent", "request in doubt",
	"answer: approved", "answer: partial approval", "answer: declined",
	"answer: indeterminate", "answer: duplicate (94)", "answer: unbelievable",
	"answer: not proved by its MAC", "answer: decline not proved by its MAC",
	"reversal sent", "reversal certainly not sent", "reversal in doubt", "reversal answered",
	"inquiry sent", "inquiry certainly not sent", "inquiry in doubt",
	"inquiry: approved", "inquiry: declined, where that is final", "inquiry: anything else",
	"advice sent", "advice certainly not sent", "advice in doubt", "advice answered",
	"time is up", "confirm", "cancel", "shown", "resolve", "restart",
	"its application is gone", "another application takes the terminal",
}

// Inputs lists every input.
func Inputs() []Input {
	all := make([]Input, inputs)
	for i := range all {
		all[i] = Input(i)
	}
	return all
}

// String is the word used in STATES.md.
func (i Input) String() string { return inputNames[i] }

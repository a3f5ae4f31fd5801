package agent

import (
	"fmt"

	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/agent/txn"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// must says what the application has to do about t.
func must(t *txn.Transaction) client.Must {
	switch {
	case t.Stuck && t.State != txn.StateConfirmed, t.State == txn.StateConfirmed && t.InQuestion():
		return client.MustCall
	case t.State == txn.StatePending, t.State == txn.StateInquiring:
		return client.MustWait
	case t.State == txn.StateApproved:
		return client.MustConfirm
	case t.OwesVoid():
		return client.MustVoid
	case t.Shown != "" && t.Shown != txn.DeliveredUnknown:
		return client.MustNothing
	case committed(t) && t.Shown == txn.DeliveredUnknown:
		return client.MustNothing // a person has it
	case committed(t):
		return client.MustShowApproved
	default:
		return client.MustShowNotApproved
	}
}

// committed says that the commit point is passed, whoever decided.
func committed(t *txn.Transaction) bool {
	return t.State == txn.StateConfirmed || t.State == txn.StateAdvising
}

// say is what to tell the cashier and the cardholder.
func say(t *txn.Transaction) client.Say {
	switch {
	case must(t) == client.MustCall:
		if t.Advice {
			return sayings["advice_stuck"]
		}
		return sayings["stuck"]
	case t.ApprovedMinor != 0 && t.Left() == t.Taken() && (t.State == txn.StateApproved || t.State == txn.StateConfirmed):
		return sayPartial(t)
	case t.State == txn.StateReversing && t.Escalated() && t.Kind.NeedsConfirmation():
		return sayings["reversing_escalated"]
	case t.Cause == txn.CauseReplaced && (t.State == txn.StateReversing || t.State == txn.StateReversed):
		return sayings["replaced"]
	case t.State == txn.StatePending && t.Replaces != "":
		return sayings["replacing"]
	case t.OwesVoid():
		return sayings["not_delivered"]
	case t.State == txn.StateReversing && t.Cause == txn.CauseChip:
		return sayings["card_declined"]
	case t.State == txn.StateConfirmed && t.Kind.HandsOver() && t.Left() < t.Taken():
		return sayFollowed(t)
	case t.State == txn.StateConfirmed && t.Kind == iso8583.PreAuth:
		return sayings["held"]
	case t.State == txn.StateDeclined:
		if s, ok := declines[t.Code]; ok && t.Kind.NeedsConfirmation() {
			return s
		}
	}
	if s, ok := followSayings[t.Kind]; ok {
		switch t.State {
		case txn.StateConfirmed, txn.StateAdvising:
			return s.done
		case txn.StatePending, txn.StateInquiring:
		case txn.StateReversing:
			return s.undoing
		default:
			return s.not
		}
	}
	return sayings[t.State.String()]
}

// sayFollowed is for what stood, and was followed since.
func sayFollowed(t *txn.Transaction) client.Say {
	switch {
	case t.Kind == iso8583.PreAuth:
		return sayings["let_go"]
	case t.Left() == 0:
		return sayings["given_back"]
	default:
		return sayings["given_back_in_part"]
	}
}

// sayPartial tells what is paid, and what is still to pay.
func sayPartial(t *txn.Transaction) client.Say {
	paid := iso8583.Amount{Minor: t.Taken(), Currency: t.Currency}
	rest := iso8583.Amount{Minor: t.Minor - t.Taken(), Currency: t.Currency}
	switch {
	case t.Kind == iso8583.PreAuth && t.State == txn.StateConfirmed:
		return client.Say{
			Cashier: text(
				fmt.Sprintf("Held: %s, of %s. Complete it or let it go later.", paid, t.Amount()),
				fmt.Sprintf("预授权成功 %s（申请 %s），之后完成或撤销。", paid, t.Amount())),
			Cardholder: text(
				fmt.Sprintf("%s is held on your card, not charged.", paid),
				fmt.Sprintf("预授权成功，已冻结 %s，未扣款。", paid)),
		}
	case t.State == txn.StateApproved:
		return client.Say{
			Cashier: text(
				fmt.Sprintf("The bank approves %s only; %s would still be to pay. Ask the customer: confirm with that amount, or cancel.", paid, rest),
				fmt.Sprintf("银行仅批准 %s，尚差 %s。请询问顾客是否接受：接受则按此金额确认，否则取消。", paid, rest)),
			Cardholder: text(
				fmt.Sprintf("Only %s was approved. Do you want to pay it so?", paid),
				fmt.Sprintf("仅批准 %s，是否接受？", paid)),
		}
	}
	return client.Say{
		Cashier: text(
			fmt.Sprintf("Paid: %s. Still to pay: %s, as another part of the sale. Hand over nothing before all is paid.", paid, rest),
			fmt.Sprintf("已支付 %s，尚需支付 %s，请另行收取余额，收齐前请勿交付商品。", paid, rest)),
		Cardholder: text(
			fmt.Sprintf("Paid: %s. Still to pay: %s.", paid, rest),
			fmt.Sprintf("已支付 %s，尚需支付 %s。", paid, rest)),
	}
}

func text(en, zh string) client.Text { return client.Text{EN: en, ZH: zh} }

var sayings = map[string]client.Say{
	"pending": {
		Cashier:    text("Wait: the bank has not answered. Do not charge again.", "请等待银行应答，请勿重复收款。"),
		Cardholder: text("Please wait.", "请稍候。"),
	},
	"inquiring": {
		Cashier:    text("Wait: the bank has not answered and is being asked what became of it. Do not charge again.", "银行未应答，正在查询交易结果，请等待，请勿重复收款。"),
		Cardholder: text("Please wait.", "请稍候。"),
	},
	"advising": {
		Cashier:    text("Paid, approved offline. The bank is told by itself.", "离线批准，支付成功，系统将自动通知银行。"),
		Cardholder: text("Payment approved.", "支付成功。"),
	},
	"advice_stuck": {
		Cashier:    text("The bank did not take what was approved offline: a person must ask the acquirer. Charge nothing again.", "银行未接受离线交易，须人工联系收单行，请勿重复收款。"),
		Cardholder: text("Payment recorded. The merchant is seeing to it with the bank.", "交易已记录，商户正在与银行核实。"),
	},
	"approved": {
		Cashier:    text("Approved by the bank, not yet final. Hand over nothing before the terminal says so.", "银行已批准，尚未最终确认，请勿交付商品。"),
		Cardholder: text("Please wait.", "请稍候。"),
	},
	"confirmed": {
		Cashier:    text("Paid. Hand over the goods and the receipt.", "支付成功，请交付商品和小票。"),
		Cardholder: text("Payment approved.", "支付成功。"),
	},
	"held": {
		Cashier:    text("The amount is held. Hand over what it is held for; complete it or let it go later.", "预授权成功，请按约定交付，之后完成或撤销。"),
		Cardholder: text("The amount is held on your card, not charged.", "预授权成功，金额已冻结，未扣款。"),
	},
	"given_back": {
		Cashier:    text("This was paid, and has been given back.", "该笔交易已撤销或已退货。"),
		Cardholder: text("This payment was given back.", "该笔款项已退回。"),
	},
	"given_back_in_part": {
		Cashier:    text("This was paid; a part of it has been given back.", "该笔交易已部分退货。"),
		Cardholder: text("A part of this payment was given back.", "该笔款项已部分退回。"),
	},
	"let_go": {
		Cashier:    text("The hold was completed or let go.", "该预授权已完成或已撤销。"),
		Cardholder: text("The hold on your card has ended.", "预授权已结束。"),
	},
	"declined": {
		Cashier:    text("Declined by the bank. No money was taken. Ask for another card.", "银行拒绝，未扣款，请更换银行卡。"),
		Cardholder: text("Payment declined. You have not been charged.", "支付被拒绝，未扣款。"),
	},
	"not_sent": {
		Cashier:    text("The bank could not be reached. Nothing was sent and no money was taken. Try again.", "无法连接银行，交易未发送，未扣款，请重试。"),
		Cardholder: text("Payment not made. You have not been charged.", "未支付，未扣款。"),
	},
	"reversing": {
		Cashier:    text("Not paid. If the bank took money it is being returned by itself. Hand over nothing; you may charge again.", "未成功。若已扣款将自动冲正退回。请勿交付商品，可以重新收款。"),
		Cardholder: text("Payment not made. Anything taken is returned automatically.", "支付未成功，如已扣款将自动退回。"),
	},
	"card_declined": {
		Cashier:    text("Not paid: the card declined, or was taken out too soon. The amount is being returned by itself. Hand over nothing; you may charge again.", "未成功：卡片拒绝或过早拔卡，已自动冲正。请勿交付商品，可以重新收款。"),
		Cardholder: text("Payment not made: your card declined. Anything taken is returned automatically.", "支付未成功：卡片拒绝，如已扣款将自动退回。"),
	},
	"reversing_escalated": {
		Cashier:    text("Not paid. The bank has not confirmed the return of the money yet: a person has been called to see to it.", "未成功。银行尚未确认退款，已通知人工处理。"),
		Cardholder: text("Payment not made. If you were charged, the merchant is seeing to it; keep this slip.", "支付未成功。如已扣款，商户正在处理，请保留凭条。"),
	},
	"replaced": {
		Cashier:    text("Closed: another card or method is used instead. If the bank took money for this one it is returned by itself.", "该次支付已关闭，改用其他卡或支付方式。若已扣款将自动冲正退回。"),
		Cardholder: text("This attempt was closed. Anything taken for it is returned automatically.", "该次支付已关闭，如已扣款将自动退回。"),
	},
	"replacing": {
		Cashier:    text("The earlier attempt is closed and will not be charged. Wait: the bank has not answered about this one. Do not charge again.", "前一次支付已关闭，不会扣款。请等待银行对本次支付的应答，请勿重复收款。"),
		Cardholder: text("The earlier attempt is closed. Please wait.", "前一次支付已关闭，请稍候。"),
	},
	"not_delivered": {
		Cashier:    text("Paid, and the goods were not handed over: void this payment now, or hand the goods over and have the item closed.", "已支付但商品未交付：请立即撤销该笔交易，或交付商品并由主管关闭该事项。"),
		Cardholder: text("The payment will be cancelled.", "该笔支付将被撤销。"),
	},
	"reversed": {
		Cashier:    text("Not paid. The bank holds no charge.", "未成功，银行已无扣款。"),
		Cardholder: text("Payment not made. You have not been charged, or the charge was returned.", "支付未成功，未扣款或已退回。"),
	},
	"stuck": {
		Cashier:    text("Undecided: a person must ask the acquirer. Hand over nothing.", "结果不明，须人工联系收单行确认，请勿交付商品。"),
		Cardholder: text("Payment undecided. Please wait for the merchant's word.", "支付结果不明，请等待商户答复。"),
	},
}

// declines says more where the response code does.
var declines = map[string]client.Say{
	"51": {
		Cashier:    text("Declined: not enough money in the account. No money was taken.", "余额不足，未扣款。"),
		Cardholder: text("Declined: insufficient funds. You have not been charged.", "余额不足，未扣款。"),
	},
	"54": {
		Cashier:    text("Declined: the card has expired. No money was taken.", "卡已过期，未扣款。"),
		Cardholder: text("Declined: card expired. You have not been charged.", "卡已过期，未扣款。"),
	},
	"55": {
		Cashier:    text("Declined: wrong PIN. No money was taken.", "密码错误，未扣款。"),
		Cardholder: text("Declined: wrong PIN. You have not been charged.", "密码错误，未扣款。"),
	},
}

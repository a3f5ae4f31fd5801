package agent

import (
	"github.com/counterfoil-pos/counterfoil/agent/client"
	"github.com/counterfoil-pos/counterfoil/iso8583"
)

// followSaying is what to tell about a type that is neither a sale nor a
// pre-authorisation: it took effect, it did not, or that is being undone.
type followSaying struct{ done, not, undoing client.Say }

func both(cashier, cardholder client.Text) client.Say {
	return client.Say{Cashier: cashier, Cardholder: cardholder}
}

var followSayings = map[iso8583.Type]followSaying{
	iso8583.Void: {
		done: both(text("Voided. The payment is undone.", "撤销成功，原交易已取消。"),
			text("The payment was cancelled. Nothing is charged.", "交易已撤销，不会扣款。")),
		not: both(text("Not voided. The payment stands; try again.", "撤销未成功，原交易仍有效，请重试。"),
			text("Not cancelled. The payment stands.", "未撤销，原交易仍有效。")),
		undoing: both(text("Not voided: the bank did not answer, and the attempt is being taken back. Try again when that is done.", "撤销未成功：银行未应答，正在冲正，完成后请重试。"),
			text("Not cancelled yet. Please wait for the merchant's word.", "尚未撤销，请等待商户答复。")),
	},
	iso8583.Refund: {
		done: both(text("Refunded.", "退货成功。"), text("The amount will be returned to your card.", "款项将退回您的卡。")),
		not: both(text("Not refunded. Nothing was given back; try again.", "退货未成功，未退款，请重试。"),
			text("Not refunded.", "未退款。")),
		undoing: both(text("Not refunded: the bank did not answer, and the attempt is being taken back. Try again when that is done.", "退货未成功：银行未应答，正在冲正，完成后请重试。"),
			text("Not refunded yet. Please wait for the merchant's word.", "尚未退款，请等待商户答复。")),
	},
	iso8583.PreAuthVoid: {
		done: both(text("The hold is let go.", "预授权已撤销。"), text("The hold on your card is released.", "预授权已解除。")),
		not: both(text("Not let go. The hold stands; try again.", "预授权撤销未成功，预授权仍有效，请重试。"),
			text("The hold on your card stands.", "预授权仍有效。")),
		undoing: both(text("Not let go: the bank did not answer, and the attempt is being taken back. Try again when that is done.", "预授权撤销未成功：银行未应答，正在冲正，完成后请重试。"),
			text("The hold on your card stands for now.", "预授权暂时仍有效。")),
	},
	iso8583.Completion: {
		done: both(text("Completed. The amount is charged.", "预授权完成成功，已扣款。"), text("Payment approved.", "支付成功。")),
		not: both(text("Not completed. The hold stands; try again.", "预授权完成未成功，预授权仍有效，请重试。"),
			text("Not charged. The hold on your card stands.", "未扣款，预授权仍有效。")),
		undoing: both(text("Not completed: the bank did not answer, and anything charged is being returned. Try again when that is done.", "预授权完成未成功：银行未应答，正在冲正，完成后请重试。"),
			text("Not charged. Anything taken is returned automatically.", "未扣款，如已扣款将自动退回。")),
	},
	iso8583.Balance: {
		done: both(text("The balance is shown.", "查询成功。"), text("Your balance is shown.", "余额查询成功。")),
		not: both(text("The balance is not known. No money was moved; try again.", "查询未成功，未发生扣款，请重试。"),
			text("The balance is not known.", "查询未成功。")),
	},
}

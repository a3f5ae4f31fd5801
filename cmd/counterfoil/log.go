package main

import (
	"fmt"
	"io"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/counterfoil-pos/counterfoil/agent/config"
)

// newLogger logs to w as the configuration says, times in the terminals' zone.
func newLogger(c config.Log, zone *time.Location, w io.Writer) (*zap.Logger, error) {
	level := zapcore.InfoLevel
	if c.Level != "" {
		var err error
		if level, err = zapcore.ParseLevel(c.Level); err != nil || level > zapcore.ErrorLevel {
			return nil, fmt.Errorf("log.level: want debug, info, warn or error, got %.20q", c.Level)
		}
	}
	e := zap.NewProductionEncoderConfig()
	e.EncodeTime = func(t time.Time, enc zapcore.PrimitiveArrayEncoder) {
		enc.AppendString(t.In(zone).Format("2006-01-02T15:04:05.000Z07:00"))
	}
	var enc zapcore.Encoder
	switch c.Format {
	case "", "json":
		enc = zapcore.NewJSONEncoder(e)
	case "console":
		enc = zapcore.NewConsoleEncoder(e)
	default:
		return nil, fmt.Errorf("log.format: want json or console, got %.20q", c.Format)
	}
	return zap.New(zapcore.NewCore(enc, zapcore.Lock(zapcore.AddSync(w)), level)), nil
}

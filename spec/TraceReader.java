import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import tlc2.value.impl.BoolValue;
import tlc2.value.impl.FcnLambdaValue;
import tlc2.value.impl.FcnRcdValue;
import tlc2.value.impl.IntValue;
import tlc2.value.impl.RecordValue;
import tlc2.value.impl.SetEnumValue;
import tlc2.value.impl.StringValue;
import tlc2.value.impl.TupleValue;
import tlc2.value.impl.Value;
import util.UniqueString;

/**
 * Overrides the module of the same name: TLC finds the class by that. A definition without
 * arguments is read once, at its start.
 * The file is named by the system property `traces`. A line is one JSON value: an array becomes a tuple, an object a
 * record, an object with the one key "set" a set; numbers are whole and fit 32 bits.
 */
public final class TraceReader {
  private static Value[] lines;
  private static final List<Value> kept = new ArrayList<>();

  public static Value Header() throws IOException {
    return lines()[0];
  }

  public static Value Traces() throws IOException {
    Value[] all = lines();
    Value[] traces = new Value[all.length - 1];
    System.arraycopy(all, 1, traces, 0, traces.length);
    return new TupleValue(traces);
  }

  public static Value Evaluated(Value value) {
    evaluate(value);
    return BoolValue.ValTrue;
  }

  public static synchronized Value Keep(Value value) {
    evaluate(value);
    kept.add(value);
    return IntValue.gen(kept.size() - 1);
  }

  public static synchronized Value Kept(Value number) {
    return kept.get(((IntValue) number).val);
  }

  private static void evaluate(Value value) {
    if (value instanceof FcnLambdaValue) evaluate(value.toFcnRcd());
    else if (value instanceof FcnRcdValue) evaluateAll(((FcnRcdValue) value).values);
    else if (value instanceof RecordValue) evaluateAll(((RecordValue) value).values);
    else if (value instanceof TupleValue) evaluateAll(((TupleValue) value).elems);
    else if (value instanceof SetEnumValue) evaluateAll(((SetEnumValue) value.normalize()).elems.toArray());
  }

  private static void evaluateAll(Value[] values) {
    for (Value value : values) if (!(value instanceof IntValue)) evaluate(value);
  }

  private static synchronized Value[] lines() throws IOException {
    if (lines == null) {
      String file = System.getProperty("traces");
      if (file == null) throw new IOException("-Dtraces= names no file");
      List<Value> values = new ArrayList<>();
      for (String line : Files.readAllLines(Path.of(file), StandardCharsets.UTF_8)) {
        Parser parser = new Parser(line);
        values.add(parser.value());
        if (parser.at != line.length()) throw parser.error("end of line");
      }
      lines = values.toArray(new Value[0]);
    }
    return lines;
  }

  private static final class Parser {
    private static final UniqueString SET = UniqueString.uniqueStringOf("set");
    private final String text;
    private int at;

    Parser(String text) {
      this.text = text;
    }

    Value value() throws IOException {
      char c = text.charAt(at);
      if (c == '[') return new TupleValue(array());
      if (c == '{') return object();
      if (c == '"') return new StringValue(string());
      if (text.startsWith("true", at)) {
        at += 4;
        return BoolValue.ValTrue;
      }
      if (text.startsWith("false", at)) {
        at += 5;
        return BoolValue.ValFalse;
      }
      return number();
    }

    private Value[] array() throws IOException {
      List<Value> values = new ArrayList<>();
      at++;
      if (text.charAt(at) == ']') {
        at++;
        return new Value[0];
      }
      while (true) {
        values.add(value());
        if (ends(']')) return values.toArray(new Value[0]);
      }
    }

    private Value object() throws IOException {
      List<UniqueString> names = new ArrayList<>();
      List<Value> values = new ArrayList<>();
      at++;
      while (true) {
        names.add(UniqueString.uniqueStringOf(string()));
        expect(':');
        values.add(value());
        if (ends('}')) break;
      }
      if (names.size() == 1 && names.get(0).equals(SET)) {
        TupleValue members = (TupleValue) values.get(0);
        return new SetEnumValue(members.elems, false).normalize();
      }
      RecordValue record =
          new RecordValue(names.toArray(new UniqueString[0]), values.toArray(new Value[0]), false);
      return record.normalize();
    }

    /** No escapes: the writer has replaced all names by numbers. */
    private String string() throws IOException {
      expect('"');
      int end = text.indexOf('"', at);
      String string = text.substring(at, end);
      at = end + 1;
      return string;
    }

    private Value number() throws IOException {
      int start = at;
      if (text.charAt(at) == '-') at++;
      while (at < text.length() && text.charAt(at) >= '0' && text.charAt(at) <= '9') at++;
      if (start == at) throw error("a value");
      return IntValue.gen(Integer.parseInt(text.substring(start, at)));
    }

    private boolean ends(char close) throws IOException {
      char c = text.charAt(at++);
      if (c == close) return true;
      if (c == ',') return false;
      at--;
      throw error("',' or '" + close + "'");
    }

    private void expect(char c) throws IOException {
      if (text.charAt(at) != c) throw error("'" + c + "'");
      at++;
    }

    private IOException error(String wanted) {
      int end = Math.min(text.length(), at + 40);
      return new IOException("expected " + wanted + " at column " + at + ": " + text.substring(at, end));
    }
  }
}

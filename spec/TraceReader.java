import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import tlc2.tool.SimulationWorker;
import tlc2.value.impl.BoolValue;
import tlc2.value.impl.FcnLambdaValue;
import tlc2.value.impl.FcnRcdValue;
import tlc2.value.impl.IntValue;
import tlc2.value.impl.RecordValue;
import tlc2.value.impl.SetEnumValue;
import tlc2.value.impl.StringValue;
import tlc2.value.impl.TupleValue;
import tlc2.value.impl.Value;
import tlc2.value.impl.ValueVec;
import util.UniqueString;

/**
 * Overrides the module of the same name: TLC finds the class by that, and asks it each time that it meets one of its
 * definitions. A constant of another module that is made of one is computed once, at the start.
 *
 * The system property `traces` names a directory with the files `header`, `1`, `2` and so on, a trace each. Each of their
 * lines is one JSON value: an array becomes a tuple, an object a record, an object with the one key "set" a set; numbers
 * are whole and fit 32 bits. An event becomes values when it is asked for, so that memory holds one of them.
 */
public final class TraceReader {
  private static int drawn;

  /** What follows of the trace that was drawn last, the event that was read last, and its place. */
  private static Parser rest;
  private static Value event;
  private static int place;

  static {
    // What all this took of the processors, in milliseconds, for whoever counts.
    OperatingSystemMXBean system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    Thread says = new Thread(() -> System.out.println("<<\"cpu\", " + system.getProcessCpuTime() / 1_000_000 + ">>"));
    Runtime.getRuntime().addShutdownHook(says);
  }

  /** Every sequence that there was, each with what it ends with; the first is empty. */
  private static final List<Chain> chains = new ArrayList<>(List.of(new Chain(null, null)));

  /** A sequence without its last value, and that value. `far` is shorter by much, so that no place is more than a few steps off. */
  private static final class Chain {
    final Chain before;
    final Chain far;
    final int length;
    final Value last;

    Chain(Chain before, Value last) {
      this.before = before;
      this.length = before == null ? 0 : before.length + 1;
      this.last = last;
      if (before == null) far = this;
      else if (before.length - before.far.length == before.far.length - before.far.far.length) far = before.far.far;
      else far = before;
    }
  }

  public static Value Header() throws IOException {
    return new Parser(Files.readAllBytes(file("header"))).line();
  }

  /** A walk begins: nothing of the one before it is asked for again. */
  public static synchronized Value Drawn(Value anything) throws IOException {
    rest = new Parser(Files.readAllBytes(file(String.valueOf(++drawn))));
    place = 0;
    chains.subList(1, chains.size()).clear();
    return IntValue.gen(drawn);
  }

  public static synchronized Value EventAt(Value at) throws IOException {
    while (place < ((IntValue) at).val) {
      event = rest.line();
      place++;
      forgetStates();
    }
    if (place > ((IntValue) at).val) throw new IllegalArgumentException("event " + at + " has been left behind");
    return event;
  }

  public static synchronized Value HasEvent(Value at) {
    return ((IntValue) at).val <= place || rest.isNotAtEnd() ? BoolValue.ValTrue : BoolValue.ValFalse;
  }

  /** A walk keeps all of its states, to show them. Nobody looks at those, and to keep them takes a quarter of its time. */
  private static void forgetStates() {
    if (Thread.currentThread() instanceof SimulationWorker) ((SimulationWorker) Thread.currentThread()).getTrace().clear();
  }

  public static Value Evaluated(Value value) {
    evaluate(value);
    return BoolValue.ValTrue;
  }

  public static synchronized Value Pushed(Value sequence, Value value) {
    Chain before = chains.get(((IntValue) sequence).val);
    evaluate(value, before.last);
    chains.add(new Chain(before, value));
    return IntValue.gen(chains.size() - 1);
  }

  public static synchronized Value At(Value sequence, Value index) {
    int place = ((IntValue) index).val;
    Chain chain = chains.get(((IntValue) sequence).val);
    if (place < 1 || place > chain.length) throw new IllegalArgumentException("no place " + place);
    while (chain.length > place) chain = chain.far.length >= place ? chain.far : chain.before;
    return chain.last;
  }

  public static synchronized Value Length(Value sequence) {
    return IntValue.gen(chains.get(((IntValue) sequence).val).length);
  }

  public static synchronized Value Joined(Value sequence, Value more) {
    Chain chain = chains.get(((IntValue) more).val);
    Value[] values = new Value[chain.length];
    for (int i = values.length; i > 0; i--, chain = chain.before) values[i - 1] = chain.last;
    Value joined = sequence;
    for (Value value : values) joined = Pushed(joined, value);
    return joined;
  }

  public static Value IsStart(Value a, Value b) {
    Value[] one = valuesOf(a);
    return one.length == common(one, valuesOf(b)) ? BoolValue.ValTrue : BoolValue.ValFalse;
  }

  public static Value CommonStart(Value a, Value b) {
    return IntValue.gen(common(valuesOf(a), valuesOf(b)));
  }

  private static int common(Value[] one, Value[] other) {
    int i = 0;
    while (i < one.length && i < other.length && isSame(one[i], other[i])) i++;
    return i;
  }

  public static Value LastWhere(Value records, Value field, Value value) {
    Value[] all = valuesOf(records);
    for (int i = all.length; i > 0; i--) {
      if (((RecordValue) all[i - 1]).select(field).equals(value)) return IntValue.gen(i);
    }
    return IntValue.ValZero;
  }

  public static Value IsSame(Value a, Value b) {
    return isSame(a, b) ? BoolValue.ValTrue : BoolValue.ValFalse;
  }

  /** Mostly it is the very same value, or made of the same ones, and there is no need to compare what is in them. */
  private static boolean isSame(Value one, Value other) {
    if (one == other) return true;
    if (!isAlike(one, other)) return one.equals(other);
    Value[] parts = partsOf(one);
    Value[] others = partsOf(other);
    for (int i = 0; i < parts.length; i++) if (!isSame(parts[i], others[i])) return false;
    return true;
  }

  /** Whether they are of as many parts, which have the same names. */
  private static boolean isAlike(Value one, Value other) {
    if (one instanceof RecordValue && other instanceof RecordValue) {
      return Arrays.equals(((RecordValue) one).names, ((RecordValue) other).names);
    }
    if (!(one instanceof TupleValue && other instanceof TupleValue)) return false;
    return ((TupleValue) one).elems.length == ((TupleValue) other).elems.length;
  }

  /** What was compared last, and in what it differs: an action asks for that several times. */
  private static Value comparedF;
  private static Value comparedG;
  private static Value differing;

  public static synchronized Value Differing(Value f, Value g) {
    if (f == comparedF && g == comparedG) return differing;
    ValueVec places = new ValueVec();
    compare(f, g, places);
    comparedF = f;
    comparedG = g;
    differing = new SetEnumValue(places, true);
    return differing;
  }

  public static Value DifferingInside(Value f, Value g) {
    Value[] one = valuesOf(f);
    Value[] other = valuesOf(g);
    ValueVec places = new ValueVec();
    for (int i = 0; i < one.length; i++) if (one[i] != other[i]) compare(one[i], other[i], places);
    return new SetEnumValue(places, false);
  }

  private static void compare(Value f, Value g, ValueVec places) {
    Value[] one = valuesOf(f);
    Value[] other = valuesOf(g);
    if (one.length != other.length) throw new IllegalArgumentException("another domain");
    for (int i = 0; i < one.length; i++) {
      if (!isSame(one[i], other[i])) places.addElement(IntValue.gen(i + 1));
    }
  }

  public static Value Overlaid(Value f, Value g) {
    Value[] values = valuesOf(f).clone();
    FcnRcdValue over = (FcnRcdValue) g.toFcnRcd();
    for (int i = 0; i < over.values.length; i++) {
      evaluate(over.values[i]);
      int place = over.intv == null ? ((IntValue) over.domain[i]).val : over.intv.low + i;
      values[place - 1] = over.values[i];
    }
    return new TupleValue(values);
  }

  public static Value Placed(Value f, Value places, Value values) {
    Value[] placed = valuesOf(f).clone();
    Value[] at = valuesOf(places);
    Value[] what = valuesOf(values);
    for (int i = 0; i < at.length; i++) {
      evaluate(what[i]);
      placed[((IntValue) at[i]).val - 1] = what[i];
    }
    return new TupleValue(placed);
  }

  /** The values of a function of 1..n, in that order. */
  private static Value[] valuesOf(Value f) {
    if (f instanceof TupleValue) return ((TupleValue) f).elems;
    FcnRcdValue function = (FcnRcdValue) f.toFcnRcd();
    Value tuple = function.toTuple();
    if (tuple == null) throw new IllegalArgumentException("not a function of 1..n: " + f);
    return ((TupleValue) tuple).elems;
  }

  public static Value Repeated(Value value, Value n) {
    evaluate(value);
    Value[] values = new Value[((IntValue) n).val];
    Arrays.fill(values, value);
    return new TupleValue(values);
  }

  public static Value Starts(Value sequences, Value ends) {
    Value[] all = valuesOf(sequences);
    Value[] lengths = valuesOf(ends);
    Value[] starts = new Value[all.length];
    for (int i = 0; i < all.length; i++) {
      Value[] sequence = valuesOf(all[i]);
      int length = ((IntValue) lengths[i]).val;
      starts[i] = length == sequence.length ? all[i] : new TupleValue(Arrays.copyOf(sequence, length));
    }
    return new TupleValue(starts);
  }

  public static Value Greatest(Value set) {
    SetEnumValue numbers = (SetEnumValue) set.toSetEnum();
    int greatest = Integer.MIN_VALUE;
    for (int i = 0; i < numbers.elems.size(); i++) {
      greatest = Math.max(greatest, ((IntValue) numbers.elems.elementAt(i)).val);
    }
    return IntValue.gen(greatest);
  }

  public static Value AllLess(Value sequence, Value bound) {
    int limit = ((IntValue) bound).val;
    for (Value element : valuesOf(sequence)) if (((IntValue) element).val >= limit) return BoolValue.ValFalse;
    return BoolValue.ValTrue;
  }

  public static Value Distinct(Value records, Value field) {
    ValueVec all = ((SetEnumValue) records.toSetEnum()).elems;
    Set<Integer> seen = new HashSet<>();
    for (int i = 0; i < all.size(); i++) seen.add(fieldOf(all.elementAt(i), field));
    return IntValue.gen(seen.size());
  }

  public static Value HasAll(Value sequence, Value length, Value records) {
    Value[] values = valuesOf(sequence);
    int limit = Math.min(values.length, ((IntValue) length).val);
    ValueVec all = ((SetEnumValue) records.toSetEnum()).elems;
    for (int i = 0; i < all.size(); i++) {
      int index = fieldOf(all.elementAt(i), INDEX);
      if (index >= limit || !values[index].equals(((RecordValue) all.elementAt(i)).select(RECORD))) return BoolValue.ValFalse;
    }
    return BoolValue.ValTrue;
  }

  private static final Value INDEX = new StringValue("index");
  private static final Value RECORD = new StringValue("record");

  private static int fieldOf(Value record, Value field) {
    return ((IntValue) ((RecordValue) record).select(field)).val;
  }

  public static Value NothingTwice(Value sequences) {
    Set<Integer> seen = new HashSet<>();
    for (Value sequence : valuesOf(sequences)) {
      for (Value element : ((TupleValue) sequence.toTuple()).elems) {
        if (!seen.add(((IntValue) element).val)) return BoolValue.ValFalse;
      }
    }
    return BoolValue.ValTrue;
  }

  /** What the value shares with `known` has been evaluated. */
  private static void evaluate(Value value, Value known) {
    if (value == known) return;
    Value[] parts = partsOf(value);
    Value[] shared = partsOf(known);
    if (parts == null || shared == null || parts.length != shared.length) evaluate(value);
    else for (int i = 0; i < parts.length; i++) evaluate(parts[i], shared[i]);
  }

  private static Value[] partsOf(Value value) {
    if (value instanceof TupleValue) return ((TupleValue) value).elems;
    return value instanceof RecordValue ? ((RecordValue) value).values : null;
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

  private static Path file(String name) throws IOException {
    String directory = System.getProperty("traces");
    if (directory == null) throw new IOException("-Dtraces= names no directory");
    return Path.of(directory, name);
  }

  private static final class Parser {
    private static final UniqueString SET = UniqueString.uniqueStringOf("set");
    /** TLC's own table is for several threads, and there are few names. */
    private static final Map<String, UniqueString> names = new HashMap<>();
    private final byte[] text;
    private int at;

    Parser(byte[] text) {
      this.text = text;
    }

    boolean isNotAtEnd() {
      return at < text.length;
    }

    Value line() throws IOException {
      Value value = value();
      expect('\n');
      return value;
    }

    private Value value() throws IOException {
      switch (text[at]) {
        case '[':
          return new TupleValue(array());
        case '{':
          return object();
        case '"':
          return new StringValue(name());
        case 't':
          return word("true", BoolValue.ValTrue);
        case 'f':
          return word("false", BoolValue.ValFalse);
        default:
          return number();
      }
    }

    private Value[] array() throws IOException {
      List<Value> values = new ArrayList<>();
      at++;
      if (text[at] == ']') {
        at++;
        return new Value[0];
      }
      while (true) {
        values.add(value());
        if (ends(']')) return values.toArray(new Value[0]);
      }
    }

    private Value object() throws IOException {
      List<UniqueString> fields = new ArrayList<>();
      List<Value> values = new ArrayList<>();
      at++;
      while (true) {
        fields.add(name());
        expect(':');
        values.add(value());
        if (ends('}')) break;
      }
      if (fields.size() == 1 && fields.get(0).equals(SET)) {
        TupleValue members = (TupleValue) values.get(0);
        return new SetEnumValue(members.elems, false).normalize();
      }
      RecordValue record =
          new RecordValue(fields.toArray(new UniqueString[0]), values.toArray(new Value[0]), false);
      return record.normalize();
    }

    /** No escapes, and ASCII only: the writer has replaced all other names by numbers. */
    private UniqueString name() throws IOException {
      expect('"');
      int start = at;
      while (text[at] != '"') at++;
      String name = new String(text, start, at - start, StandardCharsets.ISO_8859_1);
      at++;
      return names.computeIfAbsent(name, UniqueString::uniqueStringOf);
    }

    private Value word(String word, Value value) throws IOException {
      for (int i = 0; i < word.length(); i++) expect(word.charAt(i));
      return value;
    }

    private Value number() throws IOException {
      boolean isNegative = text[at] == '-';
      if (isNegative) at++;
      int start = at;
      int number = 0;
      while (at < text.length && text[at] >= '0' && text[at] <= '9') {
        number = Math.addExact(Math.multiplyExact(number, 10), text[at++] - '0');
      }
      if (start == at) throw error("a value");
      return IntValue.gen(isNegative ? -number : number);
    }

    private boolean ends(char close) throws IOException {
      byte c = text[at++];
      if (c == close) return true;
      if (c == ',') return false;
      at--;
      throw error("',' or '" + close + "'");
    }

    private void expect(char c) throws IOException {
      if (text[at] != c) throw error("'" + c + "'");
      at++;
    }

    private IOException error(String wanted) {
      String found = new String(text, at, Math.min(text.length - at, 40), StandardCharsets.ISO_8859_1);
      return new IOException("expected " + wanted + " at byte " + at + ": " + found);
    }
  }
}

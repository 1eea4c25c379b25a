using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Runbooks;
using VmMigration.Engine.Runbooks.Expressions;
using Xunit;

namespace VmMigration.Engine.Tests.Runbooks;

public sealed class ExpressionTests
{
    private static readonly ExpressionScope Scope = new(
        new Dictionary<string, object?>(StringComparer.OrdinalIgnoreCase)
        {
            ["memory"] = 1L << 30, ["name"] = "web01", ["on"] = true, ["wait"] = TimeSpan.FromSeconds(90),
        },
        new Dictionary<string, StepValue>(StringComparer.OrdinalIgnoreCase)
        {
            ["vm"] = new(new Sample("web01", 3, VmState.Running, null), "Succeeded"),
            ["vms"] = new(new List<object?> { new Sample("a", 1, VmState.Running, null), new Sample("b", 2, VmState.Paused, null) }, "Succeeded"),
            ["none"] = new(null, "Skipped"),
            ["plan"] = new(UnknownValue.Instance, "Planned"),
        },
        new ReflectionProperties())
    {
        HasItem = true,
        Item = new Dictionary<string, object?>(StringComparer.OrdinalIgnoreCase) { ["Host"] = "kvm01" },
    };

    public static TheoryData<string, object?> Values => new()
    {
        { "parameters.memory", 1L << 30 },
        { "PARAMETERS_", null },
        { "parameters.NAME", "web01" },
        { "item.host", "kvm01" },
        { "steps.vm.output.Name", "web01" },
        { "steps.vm.output.inner", null },
        { "steps.vm.status", "Succeeded" },
        { "steps.missing.status", "NotRun" },
        { "steps.missing.output", null },
        { "steps.vms.output[1].Name", "b" },
        { "steps.vms.output[-1].Name", "b" },
        { "steps.vms.output.Count", 2 },
        { "'it''s }} a text'", "it's }} a text" },
        { "null", null },
        { "-3", -3L },
        { "0.5", 0.5 },
        { "512MiB", 512L << 20 },
        { "1m30s == parameters.wait", true },
        { "parameters.memory >= 1GiB", true },
        { "parameters.memory < 512MiB", false },
        { "steps.vm.output.Count == 3", true },
        { "steps.vm.output.Count > 2.5", true },
        { "steps.vm.output.State == 'running'", true },
        { "steps.vm.output.State != 'Paused'", true },
        { "'B' > 'a'", true },
        { "'web01' == parameters.name", true },
        { "steps.none.output == null", true },
        { "steps.vm.output != null", true },
        { "null == null", true },
        { "parameters.on == true", true },
        { "1 == true", false },
        { "!parameters.on || parameters.on && false", false },
        { "!(parameters.on && false)", true },
        { "true || false && false", true },
        { "!!true", true },
        { "false && steps.none.output.Name == 'x'", false },
        { "true || steps.none.output.Name == 'x'", true },
        { "steps.plan.output.Anything == 3 && false", false },
        { "true || steps.plan.output.Anything == 3", true },
    };

    [Theory]
    [MemberData(nameof(Values))]
    public void An_expression_has_the_value_it_says(string text, object? expected)
    {
        if (text == "PARAMETERS_")
        {
            Assert.Throws<ExpressionException>(() => Evaluate(text));
            return;
        }

        Assert.Equal(expected, Evaluate(text));
    }

    [Fact]
    public void A_list_has_the_properties_of_its_items() =>
        Assert.Equal(new List<object?> { "a", "b" }, Evaluate("steps.vms.output.Name"));

    [Theory]
    [InlineData("steps.plan.output")]
    [InlineData("steps.plan.output.A.B[3]")]
    [InlineData("steps.plan.output == 3")]
    [InlineData("!steps.plan.output")]
    [InlineData("true && steps.plan.output")]
    [InlineData("steps.plan.output || false")]
    public void What_depends_on_an_unknown_value_is_unknown(string text) => Assert.Same(UnknownValue.Instance, Evaluate(text));

    [Theory]
    [InlineData("steps.none.output.Name", 19, "NoValue")]
    [InlineData("steps.vm.output.Nmae", 17, "UnknownProperty")]
    [InlineData("steps.vms.output[2]", 17, "IndexOutOfRange")]
    [InlineData("steps.vms.output[-3]", 17, "IndexOutOfRange")]
    [InlineData("steps.vm.output[0]", 16, "NotAList")]
    [InlineData("parameters.name.Length.x", 17, "UnknownProperty")]
    [InlineData("!parameters.name", 2, "NotABoolean")]
    [InlineData("true && parameters.memory", 9, "NotABoolean")]
    [InlineData("parameters.memory > true", 19, "NotComparable")]
    [InlineData("null < 3", 6, "NotComparable")]
    [InlineData("nothing.here", 1, "UnknownReference")]
    public void What_has_no_value_is_an_error_with_its_place(string text, int column, string code)
    {
        var error = Assert.Throws<ExpressionException>(() => Evaluate(text));
        Assert.Equal((code, new SourceLocation(1, column)), (error.Code, error.Location));
        Assert.Equal(MigrationErrorReason.RunbookInvalid, error.Reason);
        Assert.NotEmpty(error.Hint);
    }

    [Theory]
    [InlineData("", 1)]
    [InlineData("1 +", 3)]
    [InlineData("a b", 3)]
    [InlineData("a.", 3)]
    [InlineData("a[b]", 3)]
    [InlineData("a[1", 4)]
    [InlineData("(a", 3)]
    [InlineData("a)", 2)]
    [InlineData("== 3", 1)]
    [InlineData("a == b == c", 8)]
    [InlineData("a & b", 3)]
    [InlineData("\"a\"", 1)]
    [InlineData("'a", 1)]
    [InlineData("$x", 1)]
    [InlineData("a; b", 2)]
    [InlineData("a[99999999999]", 3)]
    public void What_does_not_parse_is_an_error_with_its_place(string text, int column)
    {
        var error = Assert.Throws<ExpressionException>(() => Evaluate(text));
        Assert.Equal(("InvalidExpression", new SourceLocation(1, column)), (error.Code, error.Location));
    }

    private static object? Evaluate(string text) =>
        ExpressionEvaluator.Evaluate(ExpressionParser.Parse(text, offset => new(1, offset + 1)), Scope);

    private sealed record Sample(string Name, int Count, VmState State, object? Inner);
}

using VmMigration.Engine.Runbooks;
using Xunit;

namespace VmMigration.Engine.Tests.Runbooks;

public sealed class RunbookReaderTests
{
    [Fact]
    public void Literals_take_the_type_of_the_cmdlets_parameter()
    {
        Runbook runbook = RunbookSamples.Read("""
            steps:
              - id: a
                run: new-thing
                with: { Name: 17, MemoryBytes: 512MiB, Share: 0.5, Program: hotsetwriter, Wait: true, Timeout: 1m30s, Tags: [1, b], Vm: 7 }
            """);
        CmdletStep step = Assert.IsType<CmdletStep>(Assert.Single(runbook.Steps));
        Assert.Equal("New-Thing", step.Cmdlet.Name);
        Dictionary<string, RunbookValue> given = step.Arguments.ToDictionary(argument => argument.Parameter.Name, argument => argument.Value);
        Assert.Equal("17", Literal(given["Name"]));
        Assert.Equal(512L << 20, Literal(given["MemoryBytes"]));
        Assert.Equal(0.5, Literal(given["Share"]));
        Assert.Equal("HotSetWriter", Literal(given["Program"]));
        Assert.Equal(true, Literal(given["Wait"]));
        Assert.Equal(TimeSpan.FromSeconds(90), Literal(given["Timeout"]));
        Assert.Equal(["1", "b"], Assert.IsType<ListValue>(given["Tags"]).Items.Select(Literal));
        Assert.Equal(7L, Literal(given["Vm"]));
    }

    [Theory]
    [InlineData("0x3f000000", 0x3f000000L)]
    [InlineData("0X10", 16L)]
    [InlineData("0x7fffffffffffffff", long.MaxValue)]
    public void A_whole_number_may_be_hexadecimal(string text, long value)
    {
        Runbook runbook = RunbookSamples.Read($"steps: [{{ id: a, run: New-Thing, with: {{ Name: a, MemoryBytes: {text} }} }}]");
        Assert.Equal(
            value, Literal(((CmdletStep)runbook.Steps[0]).Arguments.Single(argument => argument.Parameter.Name == "MemoryBytes").Value));
    }

    [Fact]
    public void Defaults_fill_in_what_a_step_does_not_name()
    {
        Runbook runbook = RunbookSamples.Read("""
            defaults:
              new-thing: { Share: 0.25, Wait: true }
            steps:
              - { id: a, run: New-Thing, with: { Name: a, Share: 0.75 } }
              - { id: b, run: Get-Thing }
            """);
        CmdletStep first = (CmdletStep)runbook.Steps[0];
        Assert.Equal(["Name", "Share", "Wait"], first.Arguments.Select(argument => argument.Parameter.Name));
        Assert.Equal(0.75, Literal(first.Arguments[1].Value));
        Assert.Empty(((CmdletStep)runbook.Steps[1]).Arguments);
    }

    [Fact]
    public void Parameters_have_types_limits_and_defaults()
    {
        Runbook runbook = RunbookSamples.Read("""
            parameters:
              memory: { type: size, default: 512MiB, min: 2MiB, max: 1TiB, description: RAM of the machine }
              wait: { type: duration, default: 00:01:30 }
              size: { type: string, allowed: [small, large] }
            steps: [{ id: a, run: Get-Thing }]
            """);
        Assert.Equal([512L << 20, TimeSpan.FromSeconds(90), null], runbook.Parameters.Select(parameter => parameter.Default));
        Assert.Equal((2L << 20, 1L << 40), (runbook.Parameters[0].Minimum, runbook.Parameters[0].Maximum));
        Assert.Equal(["small", "large"], runbook.Parameters[2].Allowed);
    }

    [Fact]
    public void Given_parameters_are_converted_and_checked()
    {
        Runbook runbook = RunbookSamples.Read("""
            parameters:
              memory: { type: size, default: 512MiB, max: 1GiB }
              count: { type: int, min: 1 }
              on: { type: bool, default: false }
              wait: { type: duration, default: 5s }
              name: { type: string, max: 3, default: web }
            steps: [{ id: a, run: Get-Thing }]
            """);
        Dictionary<string, object?> good = new() { ["MEMORY"] = "1GiB", ["count"] = 3, ["on"] = "true", ["wait"] = TimeSpan.FromHours(1) };
        Assert.Empty(ParameterBinder.Bind(runbook, good, out IReadOnlyDictionary<string, object?> values));
        Assert.Equal((1L << 30, 3L, true, TimeSpan.FromHours(1), "web"),
            (values["memory"], values["count"], values["on"], values["wait"], values["name"]));

        Dictionary<string, object?> bad = new() { ["memory"] = "2GiB", ["on"] = 3, ["wiat"] = "3s", ["name"] = "long" };
        IReadOnlyList<RunbookDiagnostic> diagnostics = ParameterBinder.Bind(runbook, bad, out _);
        Assert.Equal([(1, "UnknownParameter"), (5, "OutOfLimits"), (6, "MissingParameter"), (7, "WrongType"), (9, "OutOfLimits")],
            diagnostics.Select(diagnostic => (diagnostic.Line, diagnostic.Code)));
        Assert.Contains("'wait'", diagnostics[0].Hint, StringComparison.Ordinal);
        Assert.All(diagnostics, diagnostic => Assert.NotEmpty(diagnostic.Hint));
    }

    [Theory]
    [InlineData("512", 512L)]
    [InlineData("1KiB", 1024L)]
    [InlineData("1.5GiB", 3L << 29)]
    [InlineData("16 MiB", 16L << 20)]
    [InlineData("9B", 9L)]
    [InlineData("8388607TiB", 8388607L << 40)]
    public void Sizes_are_powers_of_two(string text, long bytes)
    {
        Assert.True(SizeText.TryParse(text, out long parsed));
        Assert.Equal(bytes, parsed);
    }

    [Theory]
    [InlineData("")]
    [InlineData("MiB")]
    [InlineData("512MB")]
    [InlineData("512mib")]
    [InlineData("0.3B")]
    [InlineData("8388608TiB")]
    [InlineData("79228162514264337593543950335TiB")]
    [InlineData("1e3")]
    public void What_is_no_exact_size_is_refused(string text) => Assert.False(SizeText.TryParse(text, out _));

    [Theory]
    [InlineData("500ms", 0.5)]
    [InlineData("1.5s", 1.5)]
    [InlineData("1m30s", 90)]
    [InlineData("2h", 7200)]
    [InlineData("1d", 86400)]
    [InlineData("00:01:30", 90)]
    public void Durations_carry_their_unit(string text, double seconds)
    {
        Assert.True(DurationText.TryParse(text, out TimeSpan parsed));
        Assert.Equal(TimeSpan.FromSeconds(seconds), parsed);
    }

    [Theory]
    [InlineData("")]
    [InlineData("30")]
    [InlineData("30S")]
    [InlineData("s")]
    [InlineData("30s\n")]
    [InlineData("99999999999999999d")]
    [InlineData("1:2:3:4:5:6")]
    public void What_is_no_duration_is_refused(string text) => Assert.False(DurationText.TryParse(text, out _));

    private static object Literal(RunbookValue value) => Assert.IsType<LiteralValue>(value).Value;
}
